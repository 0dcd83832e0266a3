/** Casts to small floats, four values at a time. */

/** In the module's own memory, where the optimizer cannot see them. */
function floatConstants(): usize {
  return memory.data<u32>([
    0x7fffffff, // magnitude of f32
    0x7f800000, // exponent of f32: infinity
    0x7fc00000, // the one NaN that kernels write
  ]);
}

// @ts-ignore: decorator
@inline
export function magnitudeMask(): v128 {
  return v128.load32_splat(floatConstants());
}

// @ts-ignore: decorator
@inline
export function exponentMask(): v128 {
  return v128.load32_splat(floatConstants(), 4);
}

// @ts-ignore: decorator
@inline
export function canonicalNans(): v128 {
  return v128.load32_splat(floatConstants(), 8);
}

/**
 * Magnitudes of codes: the one nearest to |y|, ties to even, saturating, plus a constant.
 *
 * Adding a power of two, whose unit in the last place is that of the format at the value's
 * exponent, makes the adder round there: the sum's bits are its exponent field E, and an integer k
 * that is at most 2^(fractionBits + 1). With 2^fractionBits codes to an exponent the code is
 * k + (E << fractionBits) less what that is for zero; one product of 16-bit lanes gives 256 times
 * that sum.
 *
 * @param y          quotient; NaN is as the largest
 * @param magnitude  0x7fffffff
 * @param exponents  0x7f800000
 * @param largest    the largest finite magnitude
 * @param smallest   the smallest normal one
 * @param gain       (23 − fractionBits) << 23, from an exponent to that of the power of two
 * @param weights    256 for k, 2 << fractionBits for E << 7
 */
// @ts-ignore: decorator
@inline
export function raisedCodes4(
  y: v128,
  magnitude: v128,
  exponents: v128,
  largest: v128,
  smallest: v128,
  gain: v128,
  weights: v128,
): v128 {
  // As integers, magnitudes keep their order, and NaN is above all.
  const m = i32x4.min_s(v128.and(y, magnitude), largest);
  const power = i32x4.add(i32x4.max_s(v128.and(m, exponents), smallest), gain);
  return i32x4.shr_u(i32x4.dot_i16x8_s(f32x4.add(m, power), weights), 8);
}

/** What `raisedCodes4` gives for zero, in 16-bit lanes. */
// @ts-ignore: decorator
@inline
export function zeroCode(smallest: f32, fractionBits: i32): v128 {
  const exponent = (reinterpret<u32>(smallest) >>> 23) + 23 - fractionBits;
  return i16x8.splat(<i16>(exponent << fractionBits));
}

/**
 * Sixteen codes of quotients and their `raisedCodes4`: signs are set, NaN becomes `nan`.
 *
 * Narrowing with saturation keeps signs, and masks.
 */
// @ts-ignore: decorator
@inline
export function floatCodes16(
  y0: v128,
  y1: v128,
  y2: v128,
  y3: v128,
  r0: v128,
  r1: v128,
  r2: v128,
  r3: v128,
  zero: v128,
  sign: v128,
  nan: v128,
): v128 {
  const low = i16x8.sub(i16x8.narrow_i32x4_s(r0, r1), zero);
  const high = i16x8.sub(i16x8.narrow_i32x4_s(r2, r3), zero);
  const codes = i8x16.narrow_i16x8_u(low, high);
  const signs = i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(y0, y1), i16x8.narrow_i32x4_s(y2, y3));
  const isNegative = i8x16.gt_s(i32x4.splat(0), signs);
  const isNumber = i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(f32x4.eq(y0, y0), f32x4.eq(y1, y1)),
    i16x8.narrow_i32x4_s(f32x4.eq(y2, y2), f32x4.eq(y3, y3)),
  );
  return v128.bitselect(v128.or(codes, v128.and(isNegative, sign)), nan, isNumber);
}
