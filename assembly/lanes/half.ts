/**
 * float16 and bfloat16 ↔ f32, in lanes. Callers load the constants once, at function entry: a
 * v128 written in source is rebuilt by V8 at nearly every use.
 */

/** One v128 of equal u32, in the module's constant memory. */
// @ts-ignore: decorator
@inline
export function halfConstants(): usize {
  return memory.data<u32>([
    0x7fff7fff,
    0x7fff7fff,
    0x7fff7fff,
    0x7fff7fff, // 0: magnitude of eight halves
    0x77800000,
    0x77800000,
    0x77800000,
    0x77800000, // 16: 2^112; also what scales f32 to infinity
    0x0f7fffff,
    0x0f7fffff,
    0x0f7fffff,
    0x0f7fffff, // 32: largest finite half, shifted
    0x7f800000,
    0x7f800000,
    0x7f800000,
    0x7f800000, // 48: exponent of f32
    0x08800000,
    0x08800000,
    0x08800000,
    0x08800000, // 64: 2^-110
    0x07800000,
    0x07800000,
    0x07800000,
    0x07800000, // 80: 15 << 23
    0x40008000,
    0x40008000,
    0x40008000,
    0x40008000, // 96: smallest rounding bias
    0x00000fff,
    0x00000fff,
    0x00000fff,
    0x00000fff, // 112: fraction of a half before its carry
    0x00007c00,
    0x00007c00,
    0x00007c00,
    0x00007c00, // 128: exponent of a half
    0x7e007e00,
    0x7e007e00,
    0x7e007e00,
    0x7e007e00, // 144: eight quiet NaN
    0x7fffffff,
    0x7fffffff,
    0x7fffffff,
    0x7fffffff, // 160: magnitude of f32
    0x80008000,
    0x80008000,
    0x80008000,
    0x80008000, // 176: signs of eight halves
    0x00007fff,
    0x00007fff,
    0x00007fff,
    0x00007fff, // 192: bfloat16 rounding
    0x00000001,
    0x00000001,
    0x00000001,
    0x00000001, // 208
    0x00007fc0,
    0x00007fc0,
    0x00007fc0,
    0x00007fc0, // 224: quiet NaN of bfloat16
    0xc8000fff, 0xc8000fff, 0xc8000fff, 0xc8000fff, // 240: float16 rounding, less 112 << 23
  ]);
}

/**
 * Four magnitudes of float16, each in the low half of an i32 lane already shifted left by 13.
 *
 *   f32 = w · 2^112      exact, also for subnormal halves
 *
 * Infinity and NaN keep their fraction and get the f32 exponent.
 */
// @ts-ignore: decorator
@inline
export function widenMagnitude(w: v128, scale: v128, largest: v128, exponent: v128): v128 {
  const special = v128.and(i32x4.gt_s(w, largest), exponent);
  return v128.or(f32x4.mul(w, scale), special);
}

/**
 * Eight f32 as float16 bits: nearest, ties to even, |x| ≥ 65520 to infinity, NaN to sign | 0x7e00.
 *
 * Multiplying by 2^112 sends what overflows to infinity, 2^-110 brings the rest back four times too
 * large; adding a power of two that follows the exponent makes the adder round at the right bit,
 * and the half's exponent and fraction are then read off the sum.
 *
 * Source: XNNPACK 75db3c093b, `src/f32-f16-vcvt/wasmsimd.c.in`.
 */
// @ts-ignore: decorator
@inline
export function narrowToF16(
  x0: v128,
  x1: v128,
  magnitude: v128,
  toInfinity: v128,
  back: v128,
  exponentBias: v128,
  exponent: v128,
  smallestBias: v128,
  fractionMask: v128,
  exponentMask: v128,
  nan: v128,
): v128 {
  const a0 = v128.and(x0, magnitude);
  const a1 = v128.and(x1, magnitude);
  const sign = i16x8.narrow_i32x4_s(v128.xor(x0, a0), v128.xor(x1, a1));
  const isNan = i16x8.narrow_i32x4_s(i32x4.gt_s(a0, exponent), i32x4.gt_s(a1, exponent));
  const bias0 = i32x4.max_s(v128.and(i32x4.add(a0, exponentBias), exponent), smallestBias);
  const bias1 = i32x4.max_s(v128.and(i32x4.add(a1, exponentBias), exponent), smallestBias);
  const f0 = f32x4.add(f32x4.mul(f32x4.mul(a0, toInfinity), back), bias0);
  const f1 = f32x4.add(f32x4.mul(f32x4.mul(a1, toInfinity), back), bias1);
  const h0 = i32x4.add(v128.and(i32x4.shr_u(f0, 13), exponentMask), v128.and(f0, fractionMask));
  const h1 = i32x4.add(v128.and(i32x4.shr_u(f1, 13), exponentMask), v128.and(f1, fractionMask));
  return v128.or(v128.bitselect(nan, i16x8.narrow_i32x4_s(h0, h1), isNan), sign);
}

/** Four f32 as bfloat16 bits in the low halves: nearest, ties to even, NaN to 0x7fc0. */
// @ts-ignore: decorator
@inline
export function narrowToBf16(
  x: v128,
  magnitude: v128,
  exponent: v128,
  rounding: v128,
  one: v128,
  nan: v128,
): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), one);
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(x, rounding), odd), 16);
  return v128.bitselect(nan, rounded, i32x4.gt_s(v128.and(x, magnitude), exponent));
}
