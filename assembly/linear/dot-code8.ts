import { totalOf } from "./sums";

/**
 * y[r] = Σ x[c] · fl(fl((code − zeroPoint) · scale) · factor), in four sums: column c goes to sum
 * c mod 4. Two rows are read at a time, half of the matrix apart.
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
  const scaleBytes = (columnCount / groupLength) << 2;
  const factors = f32x4.splat(factor);
  const hasZeroPoints = zeroPointPtr !== 0;
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
    const rowEnd = codes + columnCount;
    while (codes < rowEnd) {
      const s0 = v128.load32_splat(scale);
      const s1 = v128.load32_splat(scale + scale1);
      let z0 = i16x8.splat(0);
      let z1 = i16x8.splat(0);
      if (hasZeroPoints) {
        z0 = v128.load16_splat(zeroPoint);
        z1 = v128.load16_splat(zeroPoint + (scale1 >> 1));
        zeroPoint += 2;
      }
      const end = codes + groupLength;
      do {
        sum0 = eight(sum0, codes, z0, s0, factors, x);
        sum1 = eight(sum1, codes + codes1, z1, s1, factors, x);
        codes += 8;
        x += 32;
      } while (codes < end);
      scale += 4;
    }
    store<f32>(yPtr + (row0 << 2), totalOf(sum0));
    store<f32>(yPtr + (row1 << 2), totalOf(sum1));
  }
}

/** Adds the products of eight columns. */
// @ts-ignore: decorator
@inline
function eight(
  sum: v128,
  codesPtr: usize,
  zeroPoint: v128,
  scale: v128,
  factor: v128,
  xPtr: usize,
): v128 {
  const codes = i16x8.sub(v128.load8x8_s(codesPtr), zeroPoint);
  const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes));
  const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes));
  const w0 = f32x4.mul(f32x4.mul(low, scale), factor);
  const w1 = f32x4.mul(f32x4.mul(high, scale), factor);
  const first = f32x4.add(sum, f32x4.mul(w0, v128.load(xPtr)));
  return f32x4.add(first, f32x4.mul(w1, v128.load(xPtr, 16)));
}
