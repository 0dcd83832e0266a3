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
 * The code nearest to fl(x / scale), ties to even, saturating; NaN is `nan`.
 *
 * Adding a power of two, whose unit in the last place is that of the format at the value's
 * exponent, makes the adder round there. The integer k is the difference of the bits; with one
 * step of 2^fractionBits for every exponent above the smallest it is the code.
 *
 * @param magnitude  0x7fffffff
 * @param exponents  0x7f800000
 * @param largest    the largest finite magnitude
 * @param smallest   the smallest normal one
 * @param gain       (23 − fractionBits) << 23, from an exponent to that of the power of two
 * @param binade     1 << fractionBits: codes from one exponent to the next
 * @param sign       sign bit of a code
 * @param nan        code of NaN
 */
// @ts-ignore: decorator
@inline
export function floatCodes4(
  x: v128,
  scale: v128,
  magnitude: v128,
  exponents: v128,
  largest: v128,
  smallest: v128,
  gain: v128,
  binade: v128,
  sign: v128,
  nan: v128,
): v128 {
  const y = f32x4.div(x, scale);
  // As integers, magnitudes keep their order and NaN is above all: it saturates for now.
  const m = i32x4.min_s(v128.and(y, magnitude), largest);
  const exponent = i32x4.max_s(v128.and(m, exponents), smallest);
  const power = i32x4.add(exponent, gain);
  const k = i32x4.sub(f32x4.add(m, power), power);
  const above = i32x4.shr_u(i32x4.sub(exponent, smallest), 23);
  const code = i32x4.add(k, i16x8.mul(above, binade));
  const signed = v128.or(code, v128.and(i32x4.shr_s(y, 31), sign));
  return v128.bitselect(signed, nan, f32x4.eq(y, y));
}

/** The low bytes of four vectors of integers from 0 to 255, in order. */
// @ts-ignore: decorator
@inline
export function unsignedBytes16(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d));
}

/** As `unsignedBytes16`, of one vector: four bytes in the first lane. */
// @ts-ignore: decorator
@inline
export function unsignedBytes4(a: v128): v128 {
  const aa = i16x8.narrow_i32x4_s(a, a);
  return i8x16.narrow_i16x8_u(aa, aa);
}
