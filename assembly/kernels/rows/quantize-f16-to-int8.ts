import {
  F32_EXPONENT,
  HALF_MAGNITUDES,
  halfConstant,
  LARGEST_HALF,
  TWO_POW_112,
  widenMagnitude,
} from "../../lanes/half";

/** f32 whose unit in the last place is 1: adding it rounds to an integer, ties to even. */
const ROUND_TO_INTEGER: f32 = 12582912;

/**
 * codes[i] = round-half-even(fl(f16 x · codesPerUnit)), |code| ≤ 127; NaN is 0.
 *
 * One row, or a piece of one, of LLM.int8.
 *
 * @param valuesPtr     in   f16[elementCount]
 * @param codesPtr      out  i8[elementCount]
 * @param elementCount  any
 * @param codesPerUnit  fl(127 · fl(1 / largest |x| of the row))
 */
export function quantizeF16ToInt8(
  valuesPtr: usize,
  codesPtr: usize,
  elementCount: usize,
  codesPerUnit: f32,
): void {
  const magnitude = halfConstant(HALF_MAGNITUDES);
  const scale = halfConstant(TWO_POW_112);
  const largest = halfConstant(LARGEST_HALF);
  const exponent = halfConstant(F32_EXPONENT);
  const gain = f32x4.splat(codesPerUnit);
  const rounder = f32x4.splat(ROUND_TO_INTEGER);

  const end = codesPtr + elementCount;
  for (const last = codesPtr + (elementCount & ~7); codesPtr < last; codesPtr += 8) {
    const codes = codes8(v128.load(valuesPtr), magnitude, scale, largest, exponent, gain, rounder);
    v128.store64_lane(codesPtr, codes, 0);
    valuesPtr += 16;
  }
  for (; codesPtr < end; codesPtr++, valuesPtr += 2) {
    const half = i16x8.splat(load<i16>(valuesPtr));
    const codes = codes8(half, magnitude, scale, largest, exponent, gain, rounder);
    store<i8>(codesPtr, i8x16.extract_lane_s(codes, 0));
  }
}

/** Eight codes in the low bytes. */
// @ts-ignore: decorator
@inline
export function codes8(
  halves: v128,
  magnitude: v128,
  scale: v128,
  largest: v128,
  exponent: v128,
  gain: v128,
  rounder: v128,
): v128 {
  const zero = i32x4.splat(0);
  const m = v128.and(halves, magnitude);
  const sign = v128.xor(halves, m);
  const w0 = i32x4.shr_u(i16x8.shuffle(zero, m, 0, 8, 1, 9, 2, 10, 3, 11), 3);
  const w1 = i32x4.shr_u(i16x8.shuffle(zero, m, 4, 12, 5, 13, 6, 14, 7, 15), 3);
  const s0 = i16x8.shuffle(zero, sign, 0, 8, 1, 9, 2, 10, 3, 11);
  const s1 = i16x8.shuffle(zero, sign, 4, 12, 5, 13, 6, 14, 7, 15);
  const x0 = f32x4.mul(v128.or(s0, widenMagnitude(w0, scale, largest, exponent)), gain);
  const x1 = f32x4.mul(v128.or(s1, widenMagnitude(w1, scale, largest, exponent)), gain);
  // A comparison with itself is false for NaN only: it clears those lanes.
  const q0 = v128.and(i32x4.sub(f32x4.add(x0, rounder), rounder), f32x4.eq(x0, x0));
  const q1 = v128.and(i32x4.sub(f32x4.add(x1, rounder), rounder), f32x4.eq(x1, x1));
  const q = i16x8.narrow_i32x4_s(q0, q1);
  return i8x16.narrow_i16x8_s(q, q);
}
