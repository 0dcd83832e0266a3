import { storeSigned } from "./dot-int8-relaxed";

/**
 * One row of activations as int8, in the order that `dotInt8Code4` and `dotInt8Code8` read:
 *
 *   code = round-half-even(fl(x · fl(127 / absmax))), 0 for a row of zeros
 *
 * Columns are added up in four lanes a group. With 4-bit weights (`nibbles`) column c goes to lane
 * (c mod 16) / 4, and of 32 columns the even ones come first; with 8-bit ones to lane (c mod 8) / 2.
 *
 * @param xPtr           in   f32[columnCount]
 * @param codesPtr       out  i16[columnCount]; relaxed, with 4-bit weights: see `storeSigned`
 * @param groupSumsPtr   out  i32[columnCount / groupLength][8]: sums of the codes in lanes, then of
 *   the magnitudes of negative codes where `storeSigned` wrote them, else zeros
 * @param columnCount    a multiple of groupLength
 * @param groupLength    a multiple of 32
 * @param nibbles        1 for 4-bit weights, else 0
 * @returns fl(absmax / 127), 0 when 127 / absmax is not finite; NaN when x holds NaN or infinity
 */
export function quantizeActivations(
  xPtr: usize,
  codesPtr: usize,
  groupSumsPtr: usize,
  columnCount: usize,
  groupLength: usize,
  nibbles: u32,
): f32 {
  const absmax = absmaxOf(xPtr, columnCount);
  const inverse: f32 = 127 / absmax;
  if (!(inverse <= f32.MAX_VALUE) || !(absmax <= f32.MAX_VALUE)) {
    memory.fill(codesPtr, 0, columnCount << 1);
    memory.fill(groupSumsPtr, 0, (columnCount / groupLength) << 5);
    return absmax <= f32.MAX_VALUE ? 0 : f32.NaN;
  }
  const inverses = f32x4.splat(inverse);
  for (const rowEnd = xPtr + (columnCount << 2); xPtr < rowEnd; groupSumsPtr += 32) {
    const end = xPtr + (groupLength << 2);
    let sums = i32x4.splat(0);
    let negative = i32x4.splat(0);
    for (; xPtr < end; xPtr += 128, codesPtr += 64) {
      const c0 = eightCodes(xPtr, inverses);
      const c1 = eightCodes(xPtr + 32, inverses);
      const c2 = eightCodes(xPtr + 64, inverses);
      const c3 = eightCodes(xPtr + 96, inverses);
      if (nibbles) {
        const even0 = i16x8.shuffle(c0, c1, 0, 2, 4, 6, 8, 10, 12, 14);
        const even1 = i16x8.shuffle(c2, c3, 0, 2, 4, 6, 8, 10, 12, 14);
        const odd0 = i16x8.shuffle(c0, c1, 1, 3, 5, 7, 9, 11, 13, 15);
        const odd1 = i16x8.shuffle(c2, c3, 1, 3, 5, 7, 9, 11, 13, 15);
        if (ASC_FEATURE_RELAXED_SIMD) {
          negative = storeSigned(codesPtr, even0, even1, negative);
          negative = storeSigned(codesPtr + 32, odd0, odd1, negative);
        } else {
          v128.store(codesPtr, even0);
          v128.store(codesPtr, even1, 16);
          v128.store(codesPtr, odd0, 32);
          v128.store(codesPtr, odd1, 48);
        }
        const p0 = i32x4.extadd_pairwise_i16x8_s(i16x8.add(c0, c2));
        const p1 = i32x4.extadd_pairwise_i16x8_s(i16x8.add(c1, c3));
        const fours = i32x4.add(
          i32x4.shuffle(p0, p1, 0, 2, 4, 6),
          i32x4.shuffle(p0, p1, 1, 3, 5, 7),
        );
        sums = i32x4.add(sums, fours);
      } else {
        v128.store(codesPtr, c0);
        v128.store(codesPtr, c1, 16);
        v128.store(codesPtr, c2, 32);
        v128.store(codesPtr, c3, 48);
        const all = i16x8.add(i16x8.add(c0, c1), i16x8.add(c2, c3));
        sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_s(all));
      }
    }
    v128.store(groupSumsPtr, sums);
    v128.store(groupSumsPtr, negative, 16);
  }
  return absmax / 127;
}

/** The largest magnitude; above every finite number when x holds infinity or NaN. */
// @ts-ignore: decorator
@inline
function absmaxOf(xPtr: usize, columnCount: usize): f32 {
  let largest = i32x4.splat(0);
  for (const end = xPtr + (columnCount << 2); xPtr < end; xPtr += 16) {
    largest = i32x4.max_u(largest, i32x4.shl(v128.load(xPtr), 1));
  }
  const halves = i32x4.max_u(largest, i32x4.shuffle(largest, largest, 2, 3, 0, 1));
  const a = <u32>i32x4.extract_lane(halves, 0);
  const b = <u32>i32x4.extract_lane(halves, 1);
  return reinterpret<f32>(max(a, b) >>> 1);
}

/** Adding 1.5 · 2^23 rounds to a whole number and leaves it in the low bits. */
const ROUNDER: f32 = 12582912;

// @ts-ignore: decorator
@inline
function eightCodes(xPtr: usize, inverses: v128): v128 {
  const rounder = f32x4.splat(ROUNDER);
  const low = f32x4.add(f32x4.mul(v128.load(xPtr), inverses), rounder);
  const high = f32x4.add(f32x4.mul(v128.load(xPtr, 16), inverses), rounder);
  return i16x8.narrow_i32x4_s(i32x4.sub(low, rounder), i32x4.sub(high, rounder));
}
