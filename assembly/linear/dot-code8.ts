import { totalOf } from "./sums";

/**
 * y[r] = Σ x[c] · fl(fl((code − zeroPoint) · scale) · factor), in four sums: column c goes to sum
 * c mod 4. Four rows are read at a time, a quarter of the matrix apart.
 *
 * @param codesPtr      in   i8[rowCount][columnCount]
 * @param scalePtr      in   f32[rowCount][columnCount / groupLength]
 * @param zeroPointPtr  in   i16, one a scale; 0: all are 0
 * @param xPtr          in   f32[columnCount]
 * @param yPtr          out  f32[rowCount]
 * @param columnCount   a multiple of groupLength
 * @param groupLength   a multiple of 32
 * @param factor        1, or what LLM.int8 multiplies by a second time
 */
export function dotCode8(
  codesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  xPtr: usize,
  yPtr: usize,
  rowCount: usize,
  columnCount: usize,
  groupLength: usize,
  factor: f32,
): void {
  assert(groupLength > 0 && groupLength % 32 === 0 && columnCount % groupLength === 0);
  const part = (rowCount + 3) >> 2;
  for (let row0: usize = 0; row0 < part; row0++) {
    const row1 = min(row0 + part, rowCount - 1);
    const row2 = min(row0 + 2 * part, rowCount - 1);
    const row3 = min(row0 + 3 * part, rowCount - 1);
    const size = columnCount;
    if (zeroPointPtr !== 0) {
      const zeros = zeroPointPtr;
      dotFour(true, false, codesPtr, scalePtr, zeros, xPtr, yPtr, row0, row1, row2, row3, size, groupLength, factor);
    } else if (factor === 1) {
      dotFour(false, false, codesPtr, scalePtr, 0, xPtr, yPtr, row0, row1, row2, row3, size, groupLength, 1);
    } else {
      dotFour(false, true, codesPtr, scalePtr, 0, xPtr, yPtr, row0, row1, row2, row3, size, groupLength, factor);
    }
  }
}

/** Four rows. The first two arguments are known when it is compiled: what is not needed goes. */
// @ts-ignore: decorator
@inline
function dotFour(
  hasZeroPoints: bool,
  hasFactor: bool,
  codesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  xPtr: usize,
  yPtr: usize,
  row0: usize,
  row1: usize,
  row2: usize,
  row3: usize,
  columnCount: usize,
  groupLength: usize,
  factor: f32,
): void {
  const scaleBytes = (columnCount / groupLength) << 2;
  const factors = f32x4.splat(factor);
  let codes0 = codesPtr + row0 * columnCount;
  let codes1 = codesPtr + row1 * columnCount;
  let codes2 = codesPtr + row2 * columnCount;
  let codes3 = codesPtr + row3 * columnCount;
  let scale = scalePtr + row0 * scaleBytes;
  const scale1 = (row1 - row0) * scaleBytes;
  const scale2 = (row2 - row0) * scaleBytes;
  const scale3 = (row3 - row0) * scaleBytes;
  let zeroPoint = zeroPointPtr + ((row0 * scaleBytes) >> 1);
  let sum0 = f32x4.splat(0);
  let sum1 = f32x4.splat(0);
  let sum2 = f32x4.splat(0);
  let sum3 = f32x4.splat(0);
  const rowEnd = codes0 + columnCount;
  while (codes0 < rowEnd) {
    const s0 = v128.load32_splat(scale);
    const s1 = v128.load32_splat(scale + scale1);
    const s2 = v128.load32_splat(scale + scale2);
    const s3 = v128.load32_splat(scale + scale3);
    let z0 = i16x8.splat(0);
    let z1 = z0;
    let z2 = z0;
    let z3 = z0;
    if (hasZeroPoints) {
      z0 = v128.load16_splat(zeroPoint);
      z1 = v128.load16_splat(zeroPoint + (scale1 >> 1));
      z2 = v128.load16_splat(zeroPoint + (scale2 >> 1));
      z3 = v128.load16_splat(zeroPoint + (scale3 >> 1));
      zeroPoint += 2;
    }
    const end = codes0 + groupLength;
    do {
      const x0 = v128.load(xPtr);
      const x1 = v128.load(xPtr, 16);
      sum0 = eight(hasZeroPoints, hasFactor, sum0, codes0, z0, s0, factors, x0, x1);
      sum1 = eight(hasZeroPoints, hasFactor, sum1, codes1, z1, s1, factors, x0, x1);
      sum2 = eight(hasZeroPoints, hasFactor, sum2, codes2, z2, s2, factors, x0, x1);
      sum3 = eight(hasZeroPoints, hasFactor, sum3, codes3, z3, s3, factors, x0, x1);
      codes0 += 8;
      codes1 += 8;
      codes2 += 8;
      codes3 += 8;
      xPtr += 32;
    } while (codes0 < end);
    scale += 4;
  }
  store<f32>(yPtr + (row0 << 2), totalOf(sum0));
  store<f32>(yPtr + (row1 << 2), totalOf(sum1));
  store<f32>(yPtr + (row2 << 2), totalOf(sum2));
  store<f32>(yPtr + (row3 << 2), totalOf(sum3));
}

/** Adds the products of eight columns. */
// @ts-ignore: decorator
@inline
function eight(
  hasZeroPoints: bool,
  hasFactor: bool,
  sum: v128,
  codesPtr: usize,
  zeroPoint: v128,
  scale: v128,
  factor: v128,
  x0: v128,
  x1: v128,
): v128 {
  let codes = v128.load8x8_s(codesPtr);
  if (hasZeroPoints) codes = i16x8.sub(codes, zeroPoint);
  let w0 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes)), scale);
  let w1 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes)), scale);
  if (hasFactor) {
    w0 = f32x4.mul(w0, factor);
    w1 = f32x4.mul(w1, factor);
  }
  return f32x4.add(f32x4.add(sum, f32x4.mul(w0, x0)), f32x4.mul(w1, x1));
}
