/** Division by a scale and rounding, four values at a time, shared by the affine kernels. */

/** f32 whose unit in the last place is 1: adding it rounds to an integer, ties to even. */
const ROUND_TO_INTEGER: f32 = 12582912;

/** In the module's own memory, where the optimizer cannot see them. */
function affineConstants(): usize {
  return memory.data<u32>([
    0x4b400000, // 12582912
    0x00ff00ff, // low bytes of i16 lanes
    0x7fffffff, // magnitude of f32
    0x7f800000, // infinity
  ]);
}

// @ts-ignore: decorator
@inline
export function rounders(): v128 {
  return v128.load32_splat(affineConstants());
}

// @ts-ignore: decorator
@inline
export function lowBytes(): v128 {
  return v128.load32_splat(affineConstants(), 4);
}

// @ts-ignore: decorator
@inline
export function magnitudes(): v128 {
  return v128.load32_splat(affineConstants(), 8);
}

// @ts-ignore: decorator
@inline
export function infinities(): v128 {
  return v128.load32_splat(affineConstants(), 12);
}

/** What `affineCodes4` takes away: as bits, the rounder less the zero point. */
// @ts-ignore: decorator
@inline
export function biasOf(zeroPoint: f32): v128 {
  return f32x4.splat(ROUND_TO_INTEGER - zeroPoint);
}

/**
 * clamp(round-half-even(fl(x / scale)) + zeroPoint, lowest, highest); NaN is 0.
 *
 * Clamping to whole numbers before rounding is clamping after it, and keeps the sum where the
 * rounder's unit is 1. The integer is then the difference of the bits.
 *
 * @param low   lowest − zeroPoint
 * @param high  highest − zeroPoint
 * @param bias  rounder − zeroPoint
 */
// @ts-ignore: decorator
@inline
export function affineCodes4(
  x: v128,
  scale: v128,
  low: v128,
  high: v128,
  rounder: v128,
  bias: v128,
): v128 {
  const y = f32x4.div(x, scale);
  const clamped = f32x4.pmin(high, f32x4.pmax(low, y));
  // A comparison with itself is false for NaN only: it clears those lanes.
  return v128.and(i32x4.sub(f32x4.add(clamped, rounder), bias), f32x4.eq(y, y));
}

/** The low bytes of four vectors of integers from −128 to 255, in order. */
// @ts-ignore: decorator
@inline
export function bytes16(a: v128, b: v128, c: v128, d: v128, low: v128): v128 {
  const ab = v128.and(i16x8.narrow_i32x4_s(a, b), low);
  const cd = v128.and(i16x8.narrow_i32x4_s(c, d), low);
  return i8x16.narrow_i16x8_u(ab, cd);
}

/** As `bytes16`, of one vector: four bytes in the first lane. */
// @ts-ignore: decorator
@inline
export function bytes4(a: v128, low: v128): v128 {
  const aa = v128.and(i16x8.narrow_i32x4_s(a, a), low);
  return i8x16.narrow_i16x8_u(aa, aa);
}
