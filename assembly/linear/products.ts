import { totalOf } from "./sums";

const CANONICAL_NAN: u32 = 0x7fc00000;

/**
 * sums[b][r][c mod 4] += x[b][c] · w[r][c], column by column: products of float rows, four rows and
 * two batch rows at a time.
 *
 * Rows past the last one are read and written as copies of one that is there.
 *
 * @param weightsPtr   in   f32; rows are weightStride bytes apart
 * @param xPtr         in   f32; rows are xStride bytes apart
 * @param sumsPtr      in/out  f32[batchCount][rowCount][4]
 * @param columnCount  a multiple of 4, > 0
 */
export function addProducts(
  weightsPtr: usize,
  weightStride: usize,
  xPtr: usize,
  xStride: usize,
  sumsPtr: usize,
  rowCount: usize,
  batchCount: usize,
  columnCount: usize,
): void {
  assert(columnCount > 0 && columnCount % 4 === 0);
  const batchBytes = rowCount << 4;
  for (let row: usize = 0; row < rowCount; row += 4) {
    const last = rowCount - row - 1;
    const row1: usize = min<usize>(last, 1);
    const row2: usize = min<usize>(last, 2);
    const row3: usize = min<usize>(last, 3);
    const w0 = weightsPtr + row * weightStride;
    const sums = sumsPtr + (row << 4);
    for (let batch: usize = 0; batch < batchCount; batch += 2) {
      const batch1: usize = min<usize>(batchCount - batch - 1, 1);
      const sumsA = sums + batch * batchBytes;
      const sumsB = sumsA + batch1 * batchBytes;
      let a0 = v128.load(sumsA);
      let a1 = v128.load(sumsA + (row1 << 4));
      let a2 = v128.load(sumsA + (row2 << 4));
      let a3 = v128.load(sumsA + (row3 << 4));
      let b0 = v128.load(sumsB);
      let b1 = v128.load(sumsB + (row1 << 4));
      let b2 = v128.load(sumsB + (row2 << 4));
      let b3 = v128.load(sumsB + (row3 << 4));
      let x = xPtr + batch * xStride;
      let x1 = x + batch1 * xStride;
      let w = w0;
      let w1 = w0 + row1 * weightStride;
      let w2 = w0 + row2 * weightStride;
      let w3 = w0 + row3 * weightStride;
      const end = w0 + (columnCount << 2);
      do {
        const xa = v128.load(x);
        const xb = v128.load(x1);
        const v0 = v128.load(w);
        a0 = f32x4.add(a0, f32x4.mul(v0, xa));
        b0 = f32x4.add(b0, f32x4.mul(v0, xb));
        const v1 = v128.load(w1);
        a1 = f32x4.add(a1, f32x4.mul(v1, xa));
        b1 = f32x4.add(b1, f32x4.mul(v1, xb));
        const v2 = v128.load(w2);
        a2 = f32x4.add(a2, f32x4.mul(v2, xa));
        b2 = f32x4.add(b2, f32x4.mul(v2, xb));
        const v3 = v128.load(w3);
        a3 = f32x4.add(a3, f32x4.mul(v3, xa));
        b3 = f32x4.add(b3, f32x4.mul(v3, xb));
        w += 16;
        w1 += 16;
        w2 += 16;
        w3 += 16;
        x += 16;
        x1 += 16;
      } while (w < end);
      v128.store(sumsA, a0);
      v128.store(sumsA + (row1 << 4), a1);
      v128.store(sumsA + (row2 << 4), a2);
      v128.store(sumsA + (row3 << 4), a3);
      v128.store(sumsB, b0);
      v128.store(sumsB + (row1 << 4), b1);
      v128.store(sumsB + (row2 << 4), b2);
      v128.store(sumsB + (row3 << 4), b3);
    }
  }
}

/**
 * y[b][r] = (sum 0 + sum 2) + (sum 1 + sum 3)
 *
 * @param sumsPtr  in   f32[batchCount][rowCount][4]
 * @param yPtr     out  f32; batch rows are yStride bytes apart
 */
export function finishSums(
  sumsPtr: usize,
  yPtr: usize,
  yStride: usize,
  rowCount: usize,
  batchCount: usize,
): void {
  for (; batchCount > 0; batchCount--, yPtr += yStride) {
    for (let row: usize = 0; row < rowCount; row++, sumsPtr += 16) {
      store<f32>(yPtr + (row << 2), totalOf(v128.load(sumsPtr)));
    }
  }
}

/**
 * target[i] += addend[i]; every NaN becomes 0x7fc00000.
 *
 * @param targetPtr  in/out  f32[count]
 * @param addendPtr  in      f32[count]; 0: nothing is added
 */
export function addAndClean(targetPtr: usize, addendPtr: usize, count: usize): void {
  const nan = i32x4.splat(CANONICAL_NAN);
  for (; count >= 4; count -= 4, targetPtr += 16) {
    let values = v128.load(targetPtr);
    if (addendPtr !== 0) {
      values = f32x4.add(values, v128.load(addendPtr));
      addendPtr += 16;
    }
    v128.store(targetPtr, v128.bitselect(values, nan, f32x4.eq(values, values)));
  }
  for (; count > 0; count--, targetPtr += 4) {
    let value = load<f32>(targetPtr);
    if (addendPtr !== 0) {
      value += load<f32>(addendPtr);
      addendPtr += 4;
    }
    if (value === value) store<f32>(targetPtr, value);
    else store<u32>(targetPtr, CANONICAL_NAN);
  }
}
