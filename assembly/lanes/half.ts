/**
 * float16 and bfloat16 ↔ f32, in lanes. Callers load the constants once, at function entry: a
 * v128 written in source is rebuilt by V8 at nearly every use.
 */

/** Constants by name: places in the table below. */
export const HALF_MAGNITUDES: usize = 0;
export const TWO_POW_112: usize = 4;
export const LARGEST_HALF: usize = 8;
export const F32_EXPONENT: usize = 12;
export const TWO_POW_MINUS_110: usize = 16;
export const EXPONENT_BIAS: usize = 20;
export const SMALLEST_BIAS: usize = 24;
export const HALF_FRACTION: usize = 28;
export const HALF_EXPONENT: usize = 32;
export const HALF_NANS: usize = 36;
export const F32_MAGNITUDE: usize = 40;
export const LARGEST_HALVES: usize = 44;
export const BF16_ROUNDING: usize = 48;
export const ONE: usize = 52;
export const BF16_NAN: usize = 56;
export const HALF_REBIAS: usize = 60;
export const SHIFTED_HALF: usize = 64;

/** One u32 each, in the module's own memory, where the optimizer cannot see them. */
function halfConstants(): usize {
  return memory.data<u32>([
    0x7fff7fff, // magnitudes of two float16
    0x77800000, // 2^112, which also sends what overflows to infinity
    0x0f7fffff, // largest finite float16, shifted left by 13
    0x7f800000, // exponent of f32: infinity
    0x08800000, // 2^-110
    0x07800000, // 15 << 23
    0x40008000, // smallest rounding bias
    0x00000fff, // fraction of a float16, and its carry
    0x00007c00, // exponent of float16
    0x7e007e00, // two quiet NaN of float16
    0x7fffffff, // magnitude of f32
    0x7bff7bff, // largest finite float16, twice
    0x00007fff, // half a unit of bfloat16, less one
    0x00000001,
    0x00007fc0, // quiet NaN of bfloat16
    0xc8000fff, // half a unit of float16, less one, less 112 << 23
    0x8fffe000, // sign, exponent and fraction of a float16 that was shifted down by 3
  ]);
}

/** A constant in every lane. */
// @ts-ignore: decorator
@inline
export function halfConstant(name: usize): v128 {
  return v128.load32_splat(halfConstants() + name);
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

/** Four f32 that are not NaN as bfloat16 bits in the low halves: nearest, ties to even. */
// @ts-ignore: decorator
@inline
export function roundToBf16(x: v128, rounding: v128, one: v128): v128 {
  const odd = v128.and(i32x4.shr_u(x, 16), one);
  return i32x4.shr_u(i32x4.add(i32x4.add(x, rounding), odd), 16);
}

/** As `roundToBf16` for any f32; NaN becomes 0x7fc0. */
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
  const isNan = i32x4.gt_s(v128.and(x, magnitude), exponent);
  return v128.bitselect(nan, roundToBf16(x, rounding, one), isNan);
}
