import { lookUp16 } from "../lanes/lookup";
import { dotInt8Code4Relaxed } from "./dot-int8-relaxed";
import { totalOf } from "./sums";
import { INTEGER_LEVELS, lowNibbles } from "./table";

/** Columns whose products, 256 times too large, surely fit an i32 lane. */
const LARGEST_RUN: usize = 1024;

/**
 * y[r] = fl(T · factor), T the four lanes' total of Σ groups fl(fl(n) · scale), n the lane's integer
 *
 *   n = Σ (level[code] − zeroPoint) · x
 *
 * over the group's columns of the lane. The levels are the integers at `INTEGER_LEVELS`.
 *
 * @param codesPtr      in   u8[rowCount][columnCount / 2], even column in the high nibble
 * @param scalePtr      in   f32[rowCount][columnCount / groupLength]
 * @param zeroPointPtr  in   i16, one a scale; 0: none
 * @param xPtr          in   i16[columnCount], and
 * @param groupSumsPtr  in   what `quantizeActivations` wrote
 * @param yPtr          out  f32[rowCount]
 */
export function dotInt8Code4(
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
  if (ASC_FEATURE_RELAXED_SIMD) {
    dotInt8Code4Relaxed(
      codesPtr,
      scalePtr,
      zeroPointPtr,
      xPtr,
      groupSumsPtr,
      yPtr,
      rowCount,
      columnCount,
      groupLength,
      factor,
    );
    return;
  }
  const levels = v128.load(INTEGER_LEVELS);
  const mask = lowNibbles();
  const zero = v128.load(INTEGER_LEVELS, 16);
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
      let n0 = i32x4.splat(0);
      let n1 = i32x4.splat(0);
      do {
        const end = min(groupEnd, codes0 + (LARGEST_RUN >> 1));
        let a = i32x4.splat(0);
        let b = i32x4.splat(0);
        do {
          const p = v128.load(codes0);
          const q = v128.load(codes1);
          const evenP = lookUp16(levels, v128.and(i16x8.shr_u(p, 4), mask));
          const oddP = lookUp16(levels, v128.and(p, mask));
          const evenQ = lookUp16(levels, v128.and(i16x8.shr_u(q, 4), mask));
          const oddQ = lookUp16(levels, v128.and(q, mask));
          let xs = v128.load(x);
          a = i32x4.add(a, i32x4.dot_i16x8_s(lowTimes256(evenP, zero), xs));
          b = i32x4.add(b, i32x4.dot_i16x8_s(lowTimes256(evenQ, zero), xs));
          xs = v128.load(x, 16);
          a = i32x4.add(a, i32x4.dot_i16x8_s(highTimes256(evenP, zero), xs));
          b = i32x4.add(b, i32x4.dot_i16x8_s(highTimes256(evenQ, zero), xs));
          xs = v128.load(x, 32);
          a = i32x4.add(a, i32x4.dot_i16x8_s(lowTimes256(oddP, zero), xs));
          b = i32x4.add(b, i32x4.dot_i16x8_s(lowTimes256(oddQ, zero), xs));
          xs = v128.load(x, 48);
          a = i32x4.add(a, i32x4.dot_i16x8_s(highTimes256(oddP, zero), xs));
          b = i32x4.add(b, i32x4.dot_i16x8_s(highTimes256(oddQ, zero), xs));
          codes0 += 16;
          codes1 += 16;
          x += 64;
        } while (codes0 < end);
        n0 = i32x4.add(n0, i32x4.shr_s(a, 8));
        n1 = i32x4.add(n1, i32x4.shr_s(b, 8));
      } while (codes0 < groupEnd);
      if (zeroPointPtr !== 0) {
        const xSums = v128.load(groupSums);
        n0 = i32x4.sub(n0, i32x4.mul(xSums, i32x4.splat(load<i16>(zeroPoint))));
        n1 = i32x4.sub(n1, i32x4.mul(xSums, i32x4.splat(load<i16>(zeroPoint + (scale1 >> 1)))));
        zeroPoint += 2;
        groupSums += 32;
      }
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

/** Eight bytes as the high bytes of i16 lanes: one unpacking where sign extension takes two. */
// @ts-ignore: decorator
@inline
function lowTimes256(bytes: v128, zero: v128): v128 {
  return i8x16.shuffle(zero, bytes, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function highTimes256(bytes: v128, zero: v128): v128 {
  return i8x16.shuffle(zero, bytes, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/**
 * The same for 8-bit codes.
 *
 * @param codesPtr  in   i8[rowCount][columnCount]
 */
export function dotInt8Code8(
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
  const scaleBytes = (columnCount / groupLength) << 2;
  const part = (rowCount + 1) >> 1;
  for (let row0: usize = 0; row0 < part; row0++) {
    const row1 = min(row0 + part, rowCount - 1);
    let codes = codesPtr + row0 * columnCount;
    let scale = scalePtr + row0 * scaleBytes;
    let zeroPoint = zeroPointPtr + row0 * (scaleBytes >> 1);
    const codes1 = (row1 - row0) * columnCount;
    const scale1 = (row1 - row0) * scaleBytes;
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    let x = xPtr;
    let groupSums = groupSumsPtr;
    const rowEnd = codes + columnCount;
    while (codes < rowEnd) {
      const groupEnd = codes + groupLength;
      let n0 = i32x4.splat(0);
      let n1 = i32x4.splat(0);
      do {
        const x0 = v128.load(x);
        const x1 = v128.load(x, 16);
        n0 = i32x4.add(n0, i32x4.dot_i16x8_s(v128.load8x8_s(codes), x0));
        n0 = i32x4.add(n0, i32x4.dot_i16x8_s(v128.load8x8_s(codes, 8), x1));
        n1 = i32x4.add(n1, i32x4.dot_i16x8_s(v128.load8x8_s(codes + codes1), x0));
        n1 = i32x4.add(n1, i32x4.dot_i16x8_s(v128.load8x8_s(codes + codes1, 8), x1));
        codes += 16;
        x += 32;
      } while (codes < groupEnd);
      if (zeroPointPtr !== 0) {
        const xSums = v128.load(groupSums);
        n0 = i32x4.sub(n0, i32x4.mul(xSums, i32x4.splat(load<i16>(zeroPoint))));
        n1 = i32x4.sub(n1, i32x4.mul(xSums, i32x4.splat(load<i16>(zeroPoint + (scale1 >> 1)))));
        zeroPoint += 2;
        groupSums += 32;
      }
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
