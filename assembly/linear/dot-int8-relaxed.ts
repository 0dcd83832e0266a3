import { lookUp16 } from "../lanes/lookup";
import { totalOf } from "./sums";
import { INTEGER_LEVELS, lowNibbles } from "./table";

/** Brings the pairs of bytes of one lane together: 0 and 4, 1 and 5, … */
const LANE_ORDER: usize = memory.data<u8>([0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15]);

/**
 * Sixteen even or odd columns of activations as `dotInt8Code4Relaxed` reads them: magnitudes, 0 to
 * 127, then signs, 0 or −1, both i8. A dot with seven bits has but one result on every engine.
 *
 * @param codesPtr  out  i8[2][16], in the order of lanes
 * @param low       i16: the first eight
 * @param high      i16: the others
 * @returns `sums` with the magnitudes of the negative ones added, by lanes
 */
// @ts-ignore: decorator
@inline
export function storeSigned(codesPtr: usize, low: v128, high: v128, sums: v128): v128 {
  const codes = i8x16.narrow_i16x8_s(low, high);
  const ordered = i16x8.shuffle(codes, codes, 0, 4, 1, 5, 2, 6, 3, 7);
  const magnitudes = i8x16.abs(ordered);
  const signs = i8x16.lt_s(ordered, i8x16.splat(0));
  v128.store(codesPtr, magnitudes);
  v128.store(codesPtr, signs, 16);
  const none = i32x4.splat(0);
  return i32x4.sub(sums, i32x4.relaxed_dot_i8x16_i7x16_add_s(signs, magnitudes, none));
}

/**
 * `dotInt8Code4` with relaxed dots: level · x = (level ^ sign) · |x|, plus |x| where x is negative.
 */
// @ts-ignore: decorator
@inline
export function dotInt8Code4Relaxed(
  codesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  xPtr: usize,
  groupSumsPtr: usize,
  yPtr: usize,
  rowCount: usize,
  columnCount: usize,
  groupLength: usize,
  factor: f32,
): void {
  const levels = v128.load(INTEGER_LEVELS);
  const mask = lowNibbles();
  const order = v128.load(LANE_ORDER);
  const rowBytes = columnCount >> 1;
  const scaleBytes = (columnCount / groupLength) << 2;
  const part = (rowCount + 1) >> 1;
  for (let row0: usize = 0; row0 < part; row0++) {
    const row1 = min(row0 + part, rowCount - 1);
    let codes0 = codesPtr + row0 * rowBytes;
    let codes1 = codesPtr + row1 * rowBytes;
    let scale = scalePtr + row0 * scaleBytes;
    let zeroPoint = zeroPointPtr + row0 * (scaleBytes >> 1);
    const scale1 = (row1 - row0) * scaleBytes;
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    let x = xPtr;
    let groupSums = groupSumsPtr;
    const rowEnd = codes0 + rowBytes;
    while (codes0 < rowEnd) {
      const groupEnd = codes0 + (groupLength >> 1);
      let even0 = v128.load(groupSums, 16);
      let even1 = even0;
      let odd0 = i32x4.splat(0);
      let odd1 = odd0;
      do {
        const p = lookUp16(v128.load(codes0), order);
        const q = lookUp16(v128.load(codes1), order);
        let xs = v128.load(x);
        let signs = v128.load(x, 16);
        even0 = signedDot(levels, v128.and(i16x8.shr_u(p, 4), mask), signs, xs, even0);
        even1 = signedDot(levels, v128.and(i16x8.shr_u(q, 4), mask), signs, xs, even1);
        xs = v128.load(x, 32);
        signs = v128.load(x, 48);
        odd0 = signedDot(levels, v128.and(p, mask), signs, xs, odd0);
        odd1 = signedDot(levels, v128.and(q, mask), signs, xs, odd1);
        codes0 += 16;
        codes1 += 16;
        x += 64;
      } while (codes0 < groupEnd);
      let n0 = i32x4.add(even0, odd0);
      let n1 = i32x4.add(even1, odd1);
      if (zeroPointPtr !== 0) {
        const xSums = v128.load(groupSums);
        n0 = i32x4.sub(n0, i32x4.mul(xSums, i32x4.splat(load<i16>(zeroPoint))));
        n1 = i32x4.sub(n1, i32x4.mul(xSums, i32x4.splat(load<i16>(zeroPoint + (scale1 >> 1)))));
        zeroPoint += 2;
      }
      groupSums += 32;
      const s0 = v128.load32_splat(scale);
      const s1 = v128.load32_splat(scale + scale1);
      sum0 = f32x4.add(sum0, f32x4.mul(f32x4.convert_i32x4_s(n0), s0));
      sum1 = f32x4.add(sum1, f32x4.mul(f32x4.convert_i32x4_s(n1), s1));
      scale += 4;
    }
    store<f32>(yPtr + (row0 << 2), totalOf(sum0) * factor);
    store<f32>(yPtr + (row1 << 2), totalOf(sum1) * factor);
  }
}

// @ts-ignore: decorator
@inline
function signedDot(levels: v128, codes: v128, signs: v128, xs: v128, sums: v128): v128 {
  const signed = v128.xor(lookUp16(levels, codes), signs);
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(signed, xs, sums);
}
