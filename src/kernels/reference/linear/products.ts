/** Products of float activations and compressed weights, in the order that all kernels keep. */

import type { LinearKernels } from "../../linear-kernels.ts";
import { WeightReader } from "./weights.ts";

const fl = Math.fround;

/** f32 of a NaN, wherever a kernel writes one. */
const CANONICAL_NAN = 0x7fc00000;

type BoundTo<Call> = Call extends (...call: infer Arguments) => infer Result
  ? (buffer: ArrayBuffer, ...call: Arguments) => Result
  : never;

/** (sum 0 + sum 2) + (sum 1 + sum 3) */
export function totalOf(sums: Float32Array): number {
  const [a, b, c, d] = sums as unknown as [number, number, number, number];
  return fl(fl(a + c) + fl(b + d));
}

export const dot: BoundTo<LinearKernels["dot"]> = (buffer, codes, rows, xPtr, yPtr) => {
  const x = new Float32Array(buffer, xPtr, rows.columnCount);
  const y = new Float32Array(buffer, yPtr, rows.rowCount);
  const weights = new WeightReader(buffer, codes, rows);
  const sums = new Float32Array(4);
  for (let row = 0; row < rows.rowCount; row++) {
    sums.fill(0);
    for (const [column, value] of x.entries()) {
      const product = fl(value * weights.value(row, column));
      sums[column % 4] = (sums[column % 4] as number) + product;
    }
    y[row] = totalOf(sums);
  }
};

export const decode: BoundTo<LinearKernels["decode"]> = (
  buffer,
  codes,
  rows,
  start,
  count,
  valuesPtr,
  valueStride,
) => {
  const weights = new WeightReader(buffer, codes, rows);
  for (let row = 0; row < rows.rowCount; row++) {
    const values = new Float32Array(buffer, valuesPtr + row * valueStride, count);
    for (let i = 0; i < count; i++) values[i] = weights.value(row, start + i);
  }
};

export const addProducts: BoundTo<LinearKernels["addProducts"]> = (
  buffer,
  weightsPtr,
  weightStride,
  xPtr,
  xStride,
  sumsPtr,
  rowCount,
  batchCount,
  columnCount,
) => {
  for (let batch = 0; batch < batchCount; batch++) {
    const x = new Float32Array(buffer, xPtr + batch * xStride, columnCount);
    for (let row = 0; row < rowCount; row++) {
      const weights = new Float32Array(buffer, weightsPtr + row * weightStride, columnCount);
      const sums = new Float32Array(buffer, sumsPtr + 16 * (batch * rowCount + row), 4);
      for (let i = 0; i < columnCount; i++) {
        const product = fl((x[i] as number) * (weights[i] as number));
        sums[i % 4] = (sums[i % 4] as number) + product;
      }
    }
  }
};

export const finishSums: BoundTo<LinearKernels["finishSums"]> = (
  buffer,
  sumsPtr,
  yPtr,
  yStride,
  rowCount,
  batchCount,
) => {
  for (let batch = 0; batch < batchCount; batch++) {
    const y = new Float32Array(buffer, yPtr + batch * yStride, rowCount);
    for (let row = 0; row < rowCount; row++) {
      y[row] = totalOf(new Float32Array(buffer, sumsPtr + 16 * (batch * rowCount + row), 4));
    }
  }
};

export const addAndClean: BoundTo<LinearKernels["addAndClean"]> = (
  buffer,
  targetPtr,
  addendPtr,
  count,
) => {
  const target = new Float32Array(buffer, targetPtr, count);
  const bits = new Uint32Array(buffer, targetPtr, count);
  const addend = addendPtr === 0 ? undefined : new Float32Array(buffer, addendPtr, count);
  for (let i = 0; i < count; i++) {
    const value = target[i] as number;
    const sum = addend === undefined ? value : fl(value + (addend[i] as number));
    if (Number.isNaN(sum)) bits[i] = CANONICAL_NAN;
    else target[i] = sum;
  }
};
