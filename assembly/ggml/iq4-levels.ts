/**
 * The nearest of IQ4's levels. Twice the value, rounded down, is a whole number k on one side of every
 * middle of two levels; of
 *
 *   g = 4 k + 6 · clamp(k, −160, 112) + 2104
 *
 * the upper byte is a cell from 0 to 15 that holds one middle (the last: none), and the lower one tells
 * on which side of it g is.
 */

/** By cell: the low byte of g from which the next level is nearer. */
function thresholds(): usize {
  return memory.data<u8>([220, 140, 112, 196, 240, 254, 248, 222, 196, 180, 174, 198, 192, 80, 0, 255]);
}

function tables(): usize {
  return memory.data<i16>([
    -160, -160, -160, -160, -160, -160, -160, -160, 112, 112, 112, 112, 112, 112, 112, 112, 6, 6, 6,
    6, 6, 6, 6, 6, 2104, 2104, 2104, 2104, 2104, 2104, 2104, 2104,
  ]);
}

/** i8[16]: the levels. */
export function iq4Levels(): v128 {
  return v128.load(
    memory.data<i8>([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]),
  );
}

/** What `indices` needs, loaded once. */
export function iq4Thresholds(): v128 {
  return v128.load(thresholds());
}

export function iq4Table(at: usize): v128 {
  return v128.load(tables() + (at << 4));
}

/** Eight whole numbers of two times four floats that are 1.5 · 2^23 too large. */
// @ts-ignore: decorator
@inline
function whole(a: v128, b: v128, magic: v128): v128 {
  return i16x8.narrow_i32x4_s(i32x4.sub(a, magic), i32x4.sub(b, magic));
}

// @ts-ignore: decorator
@inline
function keys(k: v128, low: v128, high: v128, six: v128, offset: v128): v128 {
  const clamped = i16x8.min_s(i16x8.max_s(k, low), high);
  return i16x8.add(i16x8.add(i16x8.shl(k, 2), offset), i16x8.mul(clamped, six));
}

/** Codes of sixteen values, given doubled, of magnitudes below 275. */
// @ts-ignore: decorator
@inline
export function indices(
  a: v128,
  b: v128,
  c: v128,
  d: v128,
  magic: v128,
  low: v128,
  high: v128,
  six: v128,
  offset: v128,
  byte: v128,
  threshold: v128,
): v128 {
  const ab = whole(f32x4.add(f32x4.floor(a), magic), f32x4.add(f32x4.floor(b), magic), magic);
  const cd = whole(f32x4.add(f32x4.floor(c), magic), f32x4.add(f32x4.floor(d), magic), magic);
  const g = keys(ab, low, high, six, offset);
  const h = keys(cd, low, high, six, offset);
  const cells = i8x16.narrow_i16x8_u(i16x8.shr_u(g, 8), i16x8.shr_u(h, 8));
  const rests = i8x16.narrow_i16x8_u(v128.and(g, byte), v128.and(h, byte));
  const edges = i8x16.swizzle(threshold, cells);
  return i8x16.sub(cells, i8x16.eq(i8x16.max_u(rests, edges), rests));
}
