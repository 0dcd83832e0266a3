/** What `linear` is defined as, written down once more and as plainly as can be. */

import { dequantize, type QuantizedTensor } from "../../src/index.ts";

const fl = Math.fround;

/** Sum c mod 4 takes column c; (0 + 2) + (1 + 3). */
export function orderedDot(x: ArrayLike<number>, w: ArrayLike<number>): number {
  const sums = [0, 0, 0, 0] as [number, number, number, number];
  for (let c = 0; c < x.length; c++) {
    sums[c % 4] = fl((sums[c % 4] as number) + fl((x[c] as number) * (w[c] as number)));
  }
  return fl(fl(sums[0] + sums[2]) + fl(sums[1] + sums[3]));
}

export function naiveLinear(
  x: Float32Array,
  record: QuantizedTensor,
  bias?: Float32Array,
): Float32Array {
  const [rows, columns] = record.shape as [number, number];
  const batch = columns === 0 ? 0 : x.length / columns;
  const w = expandedWithoutKept(record);
  const y = new Float32Array(batch * rows);
  const kept = keptColumns(record);
  for (let b = 0; b < batch; b++) {
    const own = x.slice(b * columns, (b + 1) * columns);
    const outliers = Float32Array.from(kept.columns, (column) => own[column] as number);
    for (const column of kept.columns) own[column] = 0;
    for (let r = 0; r < rows; r++) {
      let sum = orderedDot(own, w.subarray(r * columns, (r + 1) * columns));
      if (kept.columns.length > 0) {
        const weights = kept.weights.subarray(r * outliers.length, (r + 1) * outliers.length);
        sum = fl(sum + orderedDot(outliers, weights));
      }
      y[b * rows + r] = bias === undefined ? sum : fl(sum + (bias[r] as number));
    }
  }
  return y;
}

function expandedWithoutKept(record: QuantizedTensor): Float32Array {
  if (record.quantType !== "llm-int8") return dequantize(record);
  const { outlierWeights: _, ...codes } = record;
  return dequantize(codes);
}

function keptColumns(record: QuantizedTensor): { columns: Int32Array; weights: Float32Array } {
  if (record.quantType !== "llm-int8" || record.outlierWeights === undefined) {
    return { columns: new Int32Array(0), weights: new Float32Array(0) };
  }
  const columns = record.outlierColumns as Int32Array;
  const all = dequantize(record);
  const rows = record.shape[0] as number;
  const count = record.shape[1] as number;
  const weights = new Float32Array(rows * columns.length);
  for (let r = 0; r < rows; r++) {
    for (const [i, column] of columns.entries()) {
      weights[r * columns.length + i] = all[r * count + column] as number;
    }
  }
  return { columns, weights };
}
