import { totalOf } from "./sums";
import { levelsAt, levelsOf } from "./table";

/**
 * y[r] = Σ x[c] · fl(fl(level[code] − zeroPoint) · scale), in four sums: column c goes to sum c mod 4.
 *
 * The levels are those at `LEVELS_TABLE`. Several rows are read at a time, a part of the matrix
 * apart, so that each is a long stream of its own; rows that are missing at the end are read as
 * copies of the last one.
 *
 * @param codesPtr      in   u8[rowCount][columnCount / 2], even column in the high nibble
 * @param scalePtr      in   f32[rowCount][columnCount / groupLength]
 * @param zeroPointPtr  in   i16, one a scale; 0: none, and nothing is subtracted
 * @param xPtr          in   f32[columnCount]
 * @param yPtr          out  f32[rowCount]
 * @param columnCount   a multiple of groupLength
 * @param groupLength   a multiple of 32
 */
export function dotCode4(
  codesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  xPtr: usize,
  yPtr: usize,
  rowCount: usize,
  columnCount: usize,
  groupLength: usize,
): void {
  assert(groupLength > 0 && groupLength % 32 === 0 && columnCount % groupLength === 0);
  const rowBytes = columnCount >> 1;
  const scaleBytes = (columnCount / groupLength) << 2;
  const groupBytes = groupLength >> 1;
  if (zeroPointPtr === 0) {
    dotPlain(codesPtr, scalePtr, xPtr, yPtr, rowCount, rowBytes, scaleBytes, groupBytes);
  } else {
    dotShifted(
      codesPtr,
      scalePtr,
      zeroPointPtr,
      xPtr,
      yPtr,
      rowCount,
      rowBytes,
      scaleBytes,
      groupBytes,
    );
  }
}

/** Four rows at a time, of which each has a chain of additions of its own. */
// @ts-ignore: decorator
@inline
function dotPlain(
  codesPtr: usize,
  scalePtr: usize,
  xPtr: usize,
  yPtr: usize,
  rowCount: usize,
  rowBytes: usize,
  scaleBytes: usize,
  groupBytes: usize,
): void {
  const part = (rowCount + 3) >> 2;
  for (let row0: usize = 0; row0 < part; row0++) {
    const row1 = min(row0 + part, rowCount - 1);
    const row2 = min(row0 + 2 * part, rowCount - 1);
    const row3 = min(row0 + 3 * part, rowCount - 1);
    let codes0 = codesPtr + row0 * rowBytes;
    let codes1 = codesPtr + row1 * rowBytes;
    let codes2 = codesPtr + row2 * rowBytes;
    let codes3 = codesPtr + row3 * rowBytes;
    let scale = scalePtr + row0 * scaleBytes;
    const scale1 = (row1 - row0) * scaleBytes;
    const scale2 = (row2 - row0) * scaleBytes;
    const scale3 = (row3 - row0) * scaleBytes;
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    let sum2 = f32x4.splat(0);
    let sum3 = f32x4.splat(0);
    let xs = xPtr;
    const rowEnd = codes0 + rowBytes;
    while (codes0 < rowEnd) {
      const s0 = v128.load32_splat(scale);
      const s1 = v128.load32_splat(scale + scale1);
      const s2 = v128.load32_splat(scale + scale2);
      const s3 = v128.load32_splat(scale + scale3);
      const end = codes0 + groupBytes;
      do {
        let x = v128.load(xs);
        sum0 = next(sum0, load<u8>(codes0), load<u8>(codes0, 1), s0, x);
        sum1 = next(sum1, load<u8>(codes1), load<u8>(codes1, 1), s1, x);
        sum2 = next(sum2, load<u8>(codes2), load<u8>(codes2, 1), s2, x);
        sum3 = next(sum3, load<u8>(codes3), load<u8>(codes3, 1), s3, x);
        // Never so. Without it V8 of Node 20 moves all loads above the products, and spills them.
        if (codes0 === end) break;
        x = v128.load(xs, 16);
        sum0 = next(sum0, load<u8>(codes0, 2), load<u8>(codes0, 3), s0, x);
        sum1 = next(sum1, load<u8>(codes1, 2), load<u8>(codes1, 3), s1, x);
        sum2 = next(sum2, load<u8>(codes2, 2), load<u8>(codes2, 3), s2, x);
        sum3 = next(sum3, load<u8>(codes3, 2), load<u8>(codes3, 3), s3, x);
        codes0 += 4;
        codes1 += 4;
        codes2 += 4;
        codes3 += 4;
        xs += 32;
      } while (codes0 < end);
      scale += 4;
    }
    store<f32>(yPtr + (row0 << 2), totalOf(sum0));
    store<f32>(yPtr + (row1 << 2), totalOf(sum1));
    store<f32>(yPtr + (row2 << 2), totalOf(sum2));
    store<f32>(yPtr + (row3 << 2), totalOf(sum3));
  }
}

/** Adds the products of four columns. */
// @ts-ignore: decorator
@inline
function next(sum: v128, byte0: u8, byte1: u8, scale: v128, x: v128): v128 {
  return f32x4.add(sum, f32x4.mul(f32x4.mul(levelsOf(byte0, byte1), scale), x));
}

/** Two rows at a time, with zero points. */
// @ts-ignore: decorator
@inline
function dotShifted(
  codesPtr: usize,
  scalePtr: usize,
  zeroPointPtr: usize,
  xPtr: usize,
  yPtr: usize,
  rowCount: usize,
  rowBytes: usize,
  scaleBytes: usize,
  groupBytes: usize,
): void {
  const part = (rowCount + 1) >> 1;
  for (let row0: usize = 0; row0 < part; row0++) {
    const row1 = min(row0 + part, rowCount - 1);
    let codes0 = codesPtr + row0 * rowBytes;
    let codes1 = codesPtr + row1 * rowBytes;
    let scale = scalePtr + row0 * scaleBytes;
    let zeroPoint = zeroPointPtr + row0 * (scaleBytes >> 1);
    const scale1 = (row1 - row0) * scaleBytes;
    const zeroPoint1 = scale1 >> 1;
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    let xs = xPtr;
    const rowEnd = codes0 + rowBytes;
    while (codes0 < rowEnd) {
      const s0 = v128.load32_splat(scale);
      const s1 = v128.load32_splat(scale + scale1);
      const z0 = f32x4.splat(<f32>load<i16>(zeroPoint));
      const z1 = f32x4.splat(<f32>load<i16>(zeroPoint + zeroPoint1));
      const end = codes0 + groupBytes;
      do {
        const x = v128.load(xs);
        const w0 = f32x4.mul(f32x4.sub(levelsAt(codes0), z0), s0);
        const w1 = f32x4.mul(f32x4.sub(levelsAt(codes1), z1), s1);
        sum0 = f32x4.add(sum0, f32x4.mul(w0, x));
        sum1 = f32x4.add(sum1, f32x4.mul(w1, x));
        codes0 += 2;
        codes1 += 2;
        xs += 16;
      } while (codes0 < end);
      scale += 4;
      zeroPoint += 2;
    }
    store<f32>(yPtr + (row0 << 2), totalOf(sum0));
    store<f32>(yPtr + (row1 << 2), totalOf(sum1));
  }
}
