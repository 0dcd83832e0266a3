/** Largest magnitude of each block. */

/** f32 bits of the one NaN that kernels write. */
const CANONICAL_NAN: u32 = 0x7fc00000;
const INFINITY_BITS: u32 = 0x7f800000;

/**
 * absmax[b] = max |values[i]| over block b; NaN if one is NaN (the quiet NaN without payload).
 *
 * Magnitudes are compared as integers: shifting the sign out keeps their order, NaN above all.
 *
 * @param valuesPtr   in   f32[elementCount]
 * @param absmaxPtr   out  f32[ceil(elementCount / blockSize)]
 * @param blockSize   any; a multiple of 64 is fast
 * @returns the largest absmax as bits: at least 0x7f800000 if some value is not finite
 */
export function absmaxF32(
  valuesPtr: usize,
  absmaxPtr: usize,
  elementCount: usize,
  blockSize: usize,
): u32 {
  assert(blockSize > 0);
  let largest: u32 = 0;
  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const bits = largestF32(valuesPtr, count);
    store<u32>(absmaxPtr, bits > INFINITY_BITS ? CANONICAL_NAN : bits);
    largest = max(largest, bits);
    valuesPtr += count << 2;
    absmaxPtr += 4;
    elementCount -= count;
  }
  return largest;
}

/** As `absmaxF32`, for float16. */
export function absmaxF16(
  valuesPtr: usize,
  absmaxPtr: usize,
  elementCount: usize,
  blockSize: usize,
): u32 {
  assert(blockSize > 0);
  let largest: u32 = 0;
  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const bits = widenMagnitudeBits(largestHalf(valuesPtr, count));
    store<u32>(absmaxPtr, bits);
    largest = max(largest, bits);
    valuesPtr += count << 1;
    absmaxPtr += 4;
    elementCount -= count;
  }
  return largest;
}

/** As `absmaxF32`, for bfloat16. */
export function absmaxBf16(
  valuesPtr: usize,
  absmaxPtr: usize,
  elementCount: usize,
  blockSize: usize,
): u32 {
  assert(blockSize > 0);
  let largest: u32 = 0;
  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const bits = largestHalf(valuesPtr, count) << 16;
    store<u32>(absmaxPtr, bits > INFINITY_BITS ? CANONICAL_NAN : bits);
    largest = max(largest, bits);
    valuesPtr += count << 1;
    absmaxPtr += 4;
    elementCount -= count;
  }
  return largest;
}

/** Magnitude bits of a float16 as f32 bits; NaN becomes the canonical one. */
function widenMagnitudeBits(half: u32): u32 {
  if (half > 0x7c00) return CANONICAL_NAN;
  if (half === 0x7c00) return INFINITY_BITS;
  return reinterpret<u32>(reinterpret<f32>(half << 13) * reinterpret<f32>(<u32>0x77800000));
}

// @ts-ignore: decorator
@inline
export function shifted(ptr: usize, offset: usize): v128 {
  return i32x4.shl(v128.load(ptr + offset), 1);
}

/** Magnitude bits of the largest of `count` f32. */
// @ts-ignore: decorator
@inline
export function largestF32(ptr: usize, count: usize): u32 {
  let m0 = i32x4.splat(0);
  let m1 = m0;
  let m2 = m0;
  let m3 = m0;
  const end = ptr + (count << 2);
  for (const last = ptr + ((count & ~63) << 2); ptr < last; ptr += 256) {
    m0 = i32x4.max_u(m0, shifted(ptr, 0));
    m1 = i32x4.max_u(m1, shifted(ptr, 16));
    m2 = i32x4.max_u(m2, shifted(ptr, 32));
    m3 = i32x4.max_u(m3, shifted(ptr, 48));
    m0 = i32x4.max_u(m0, shifted(ptr, 64));
    m1 = i32x4.max_u(m1, shifted(ptr, 80));
    m2 = i32x4.max_u(m2, shifted(ptr, 96));
    m3 = i32x4.max_u(m3, shifted(ptr, 112));
    m0 = i32x4.max_u(m0, shifted(ptr, 128));
    m1 = i32x4.max_u(m1, shifted(ptr, 144));
    m2 = i32x4.max_u(m2, shifted(ptr, 160));
    m3 = i32x4.max_u(m3, shifted(ptr, 176));
    m0 = i32x4.max_u(m0, shifted(ptr, 192));
    m1 = i32x4.max_u(m1, shifted(ptr, 208));
    m2 = i32x4.max_u(m2, shifted(ptr, 224));
    m3 = i32x4.max_u(m3, shifted(ptr, 240));
  }
  for (; ptr + 32 <= end; ptr += 32) {
    m0 = i32x4.max_u(m0, shifted(ptr, 0));
    m1 = i32x4.max_u(m1, shifted(ptr, 16));
  }
  for (; ptr < end; ptr += 4) {
    m2 = i32x4.max_u(m2, i32x4.shl(v128.load32_zero(ptr), 1));
  }
  m0 = i32x4.max_u(i32x4.max_u(m0, m1), i32x4.max_u(m2, m3));
  m0 = i32x4.max_u(m0, i32x4.shuffle(m0, m0, 2, 3, 0, 1));
  m0 = i32x4.max_u(m0, i32x4.shuffle(m0, m0, 1, 0, 3, 2));
  return <u32>i32x4.extract_lane(m0, 0) >>> 1;
}

// @ts-ignore: decorator
@inline
export function shiftedHalves(ptr: usize, offset: usize): v128 {
  return i16x8.shl(v128.load(ptr + offset), 1);
}

/** Magnitude bits of the largest of `count` halves, float16 or bfloat16. */
// @ts-ignore: decorator
@inline
export function largestHalf(ptr: usize, count: usize): u32 {
  let m0 = i32x4.splat(0);
  let m1 = m0;
  let m2 = m0;
  let m3 = m0;
  const end = ptr + (count << 1);
  for (const last = ptr + ((count & ~63) << 1); ptr < last; ptr += 128) {
    m0 = i16x8.max_u(m0, shiftedHalves(ptr, 0));
    m1 = i16x8.max_u(m1, shiftedHalves(ptr, 16));
    m2 = i16x8.max_u(m2, shiftedHalves(ptr, 32));
    m3 = i16x8.max_u(m3, shiftedHalves(ptr, 48));
    m0 = i16x8.max_u(m0, shiftedHalves(ptr, 64));
    m1 = i16x8.max_u(m1, shiftedHalves(ptr, 80));
    m2 = i16x8.max_u(m2, shiftedHalves(ptr, 96));
    m3 = i16x8.max_u(m3, shiftedHalves(ptr, 112));
  }
  for (; ptr + 32 <= end; ptr += 32) {
    m0 = i16x8.max_u(m0, shiftedHalves(ptr, 0));
    m1 = i16x8.max_u(m1, shiftedHalves(ptr, 16));
  }
  m0 = i16x8.max_u(i16x8.max_u(m0, m1), i16x8.max_u(m2, m3));
  m0 = i16x8.max_u(m0, i32x4.shuffle(m0, m0, 2, 3, 0, 1));
  m0 = i16x8.max_u(m0, i32x4.shuffle(m0, m0, 1, 0, 3, 2));
  m0 = i16x8.max_u(m0, i32x4.shr_u(m0, 16));
  let largest: u32 = i16x8.extract_lane_u(m0, 0);
  for (; ptr < end; ptr += 2) largest = max(largest, ((<u32>load<u16>(ptr)) << 1) & 0xffff);
  return largest >>> 1;
}
