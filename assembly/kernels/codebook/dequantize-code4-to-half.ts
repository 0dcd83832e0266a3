import {
  BF16_NAN,
  BF16_ROUNDING,
  EXPONENT_BIAS,
  F32_EXPONENT,
  F32_MAGNITUDE,
  HALF_EXPONENT,
  HALF_FRACTION,
  HALF_NANS,
  HALF_REBIAS,
  halfConstant,
  narrowToBf16,
  narrowToF16,
  ONE,
  roundToBf16,
  SMALLEST_BIAS,
  TWO_POW_112,
  TWO_POW_MINUS_110,
} from "../../lanes/half";
import { HALF_ABSMAX, HALF_ABSMAX_SPAN, LEVELS, LOW_NIBBLES } from "../../lanes/levels4";
import { lookUp16 } from "../../lanes/lookup";

/**
 * values[i] = f16(fl(level[code[i]] · absmax[i / blockSize]))
 *
 * The sixteen products of a block are rounded once, and its values then looked up. Most blocks give
 * zeros and normal halves only, for which the table has the range of absmax and rounding is cheap.
 * Arguments and result as `dequantizeCode4ToF32`.
 */
export function dequantizeCode4ToF16(
  codesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): u32 {
  assert(blockSize > 0 && blockSize % 32 === 0 && elementCount % 32 === 0);
  const magnitude = halfConstant(F32_MAGNITUDE);
  const one = halfConstant(ONE);
  const rebias = halfConstant(HALF_REBIAS);
  const zero = i32x4.splat(0);
  const lowNibbles = v128.load(tablePtr, LOW_NIBBLES);
  const normalFrom = load<u32>(tablePtr, HALF_ABSMAX);
  const normalSpan = load<u32>(tablePtr, HALF_ABSMAX_SPAN);
  let largest: u32 = 0;

  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const scale = v128.load32_splat(absmaxPtr);
    const bits = load<u32>(absmaxPtr);
    largest = max(largest, bits & 0x7fffffff);
    const p0 = f32x4.mul(v128.load(tablePtr, LEVELS), scale);
    const p1 = f32x4.mul(v128.load(tablePtr, LEVELS + 16), scale);
    const p2 = f32x4.mul(v128.load(tablePtr, LEVELS + 32), scale);
    const p3 = f32x4.mul(v128.load(tablePtr, LEVELS + 48), scale);
    let first: v128;
    let second: v128;
    if (bits - normalFrom < normalSpan) {
      first = narrowNormals(p0, p1, magnitude, one, rebias, zero);
      second = narrowNormals(p2, p3, magnitude, one, rebias, zero);
    } else {
      first = narrowAnyToF16(p0, p1);
      second = narrowAnyToF16(p2, p3);
    }
    lookUp(codesPtr, first, second, lowNibbles, valuesPtr, count);
    codesPtr += count >> 1;
    valuesPtr += count << 1;
    absmaxPtr += 4;
    elementCount -= count;
  }
  return largest;
}

/** As `dequantizeCode4ToF16`, for bfloat16. */
export function dequantizeCode4ToBf16(
  codesPtr: usize,
  absmaxPtr: usize,
  tablePtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): u32 {
  assert(blockSize > 0 && blockSize % 32 === 0 && elementCount % 32 === 0);
  const rounding = halfConstant(BF16_ROUNDING);
  const one = halfConstant(ONE);
  const lowNibbles = v128.load(tablePtr, LOW_NIBBLES);
  let largest: u32 = 0;

  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const scale = v128.load32_splat(absmaxPtr);
    const bits = load<u32>(absmaxPtr) & 0x7fffffff;
    largest = max(largest, bits);
    const p0 = f32x4.mul(v128.load(tablePtr, LEVELS), scale);
    const p1 = f32x4.mul(v128.load(tablePtr, LEVELS + 16), scale);
    const p2 = f32x4.mul(v128.load(tablePtr, LEVELS + 32), scale);
    const p3 = f32x4.mul(v128.load(tablePtr, LEVELS + 48), scale);
    let first: v128;
    let second: v128;
    if (bits < 0x7f800000) {
      const h0 = roundToBf16(p0, rounding, one);
      const h1 = roundToBf16(p1, rounding, one);
      const h2 = roundToBf16(p2, rounding, one);
      const h3 = roundToBf16(p3, rounding, one);
      first = i16x8.narrow_i32x4_u(h0, h1);
      second = i16x8.narrow_i32x4_u(h2, h3);
    } else {
      first = narrowAnyToBf16(p0, p1);
      second = narrowAnyToBf16(p2, p3);
    }
    lookUp(codesPtr, first, second, lowNibbles, valuesPtr, count);
    codesPtr += count >> 1;
    valuesPtr += count << 1;
    absmaxPtr += 4;
    elementCount -= count;
  }
  return largest;
}

/** Eight f32 as float16 bits, where all are zero or become normal halves: nearest, ties to even. */
// @ts-ignore: decorator
@inline
export function narrowNormals(
  x0: v128,
  x1: v128,
  magnitude: v128,
  one: v128,
  rebias: v128,
  zero: v128,
): v128 {
  const m0 = v128.and(x0, magnitude);
  const m1 = v128.and(x1, magnitude);
  const sign = i16x8.narrow_i32x4_s(v128.xor(x0, m0), v128.xor(x1, m1));
  const odd0 = v128.and(i32x4.shr_u(m0, 13), one);
  const odd1 = v128.and(i32x4.shr_u(m1, 13), one);
  // The exponents differ by 112; a zero would come out below zero.
  const h0 = i32x4.shr_u(i32x4.max_s(i32x4.add(i32x4.add(m0, rebias), odd0), zero), 13);
  const h1 = i32x4.shr_u(i32x4.max_s(i32x4.add(i32x4.add(m1, rebias), odd1), zero), 13);
  return v128.or(i16x8.narrow_i32x4_u(h0, h1), sign);
}

/** Eight f32 as float16 bits. */
function narrowAnyToF16(x0: v128, x1: v128): v128 {
  return narrowToF16(
    x0,
    x1,
    halfConstant(F32_MAGNITUDE),
    halfConstant(TWO_POW_112),
    halfConstant(TWO_POW_MINUS_110),
    halfConstant(EXPONENT_BIAS),
    halfConstant(F32_EXPONENT),
    halfConstant(SMALLEST_BIAS),
    halfConstant(HALF_FRACTION),
    halfConstant(HALF_EXPONENT),
    halfConstant(HALF_NANS),
  );
}

/** Eight f32 as bfloat16 bits. */
function narrowAnyToBf16(x0: v128, x1: v128): v128 {
  const magnitude = halfConstant(F32_MAGNITUDE);
  const exponent = halfConstant(F32_EXPONENT);
  const rounding = halfConstant(BF16_ROUNDING);
  const one = halfConstant(ONE);
  const nan = halfConstant(BF16_NAN);
  return i16x8.narrow_i32x4_u(
    narrowToBf16(x0, magnitude, exponent, rounding, one, nan),
    narrowToBf16(x1, magnitude, exponent, rounding, one, nan),
  );
}

/** values[i] = the code[i]-th of the sixteen halves in `first` and `second`; 32 at a time. */
// @ts-ignore: decorator
@inline
export function lookUp(
  codesPtr: usize,
  first: v128,
  second: v128,
  lowNibbles: v128,
  valuesPtr: usize,
  count: usize,
): void {
  const lowHalf = i16x8.splat(0xff);
  const lowBytes = i8x16.narrow_i16x8_u(v128.and(first, lowHalf), v128.and(second, lowHalf));
  const highBytes = i8x16.narrow_i16x8_u(i16x8.shr_u(first, 8), i16x8.shr_u(second, 8));
  const end = codesPtr + (count >> 1);
  do {
    const packed = v128.load(codesPtr);
    const odd = v128.and(packed, lowNibbles);
    const even = v128.and(i16x8.shr_u(packed, 4), lowNibbles);
    const codes0 = i8x16.shuffle(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const codes1 = i8x16.shuffle(
      even,
      odd,
      8,
      24,
      9,
      25,
      10,
      26,
      11,
      27,
      12,
      28,
      13,
      29,
      14,
      30,
      15,
      31,
    );
    const l0 = lookUp16(lowBytes, codes0);
    const h0 = lookUp16(highBytes, codes0);
    const l1 = lookUp16(lowBytes, codes1);
    const h1 = lookUp16(highBytes, codes1);
    v128.store(
      valuesPtr,
      i8x16.shuffle(l0, h0, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
    );
    v128.store(
      valuesPtr,
      i8x16.shuffle(l0, h0, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
      16,
    );
    v128.store(
      valuesPtr,
      i8x16.shuffle(l1, h1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
      32,
    );
    v128.store(
      valuesPtr,
      i8x16.shuffle(l1, h1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
      48,
    );
    codesPtr += 16;
    valuesPtr += 64;
  } while (codesPtr < end);
}
