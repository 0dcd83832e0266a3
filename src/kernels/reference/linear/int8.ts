/** Products of int8 activations and compressed weights. */

import type { WeightCodes, WeightRows } from "../../linear-kernels.ts";
import { roundHalfEven } from "../round.ts";
import { totalOf } from "./products.ts";
import { WeightReader } from "./weights.ts";

const fl = Math.fround;
const LARGEST_F32 = 3.4028234663852886e38;

/** The codes in order; the sums of groups are for kernels that need them. */
export function quantizeActivations(
  buffer: ArrayBuffer,
  xPtr: number,
  codesPtr: number,
  columnCount: number,
): number {
  const x = new Float32Array(buffer, xPtr, columnCount);
  const codes = new Int16Array(buffer, codesPtr, columnCount).fill(0);
  if (!x.every(Number.isFinite)) return NaN;
  const absmax = x.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const inverse = fl(127 / absmax);
  if (!(inverse <= LARGEST_F32)) return 0;
  for (const [i, value] of x.entries()) {
    const code = roundHalfEven(fl(value * inverse));
    codes[i] = Math.min(Math.max(code, -127), 127);
  }
  return fl(absmax / 127);
}

export function dotInt8(
  buffer: ArrayBuffer,
  codes: WeightCodes,
  rows: WeightRows,
  xCodesPtr: number,
  factor: number,
  yPtr: number,
): void {
  const { rowCount, columnCount, groupLength } = rows;
  const x = new Int16Array(buffer, xCodesPtr, columnCount);
  const y = new Float32Array(buffer, yPtr, rowCount);
  const weights = new WeightReader(buffer, codes, rows);
  /** Columns of two bytes of codes, which go to one lane. */
  const together = 16 / codes.bits;
  const lanes = new Float32Array(4);
  for (let row = 0; row < rowCount; row++) {
    lanes.fill(0);
    for (let start = 0; start < columnCount; start += groupLength) {
      const integers = [0, 0, 0, 0];
      for (let column = start; column < start + groupLength; column++) {
        const lane = Math.floor(column / together) % 4;
        const product = weights.integer(row, column) * (x[column] as number);
        integers[lane] = (integers[lane] as number) + product;
      }
      const scale = weights.scale(row, start / groupLength);
      for (const [lane, integer] of integers.entries()) {
        lanes[lane] = (lanes[lane] as number) + fl(fl(integer) * scale);
      }
    }
    y[row] = fl(totalOf(lanes) * factor);
  }
}
