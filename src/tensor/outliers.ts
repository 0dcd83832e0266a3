/**
 * LLM.int8's outlier columns (bitsandbytes `backends/default/ops.py`, `int8_vectorwise_quant`).
 * Elements with |x| ≥ threshold are left out of their row's absmax and coded 0; with more than one
 * row, so is every other code of their column.
 */

import { NonFiniteError } from "../foundation/errors.ts";
import { bf16ToF32, f16ToF32, f32ToF16 } from "../foundation/half.ts";
import type { FloatBytes } from "./float-array.ts";

export interface Outliers {
  /** Columns with at least one outlier, ascending. */
  readonly columns: Int32Array;
  /** The matrix as float16 with its outlier elements zeroed. */
  readonly cleaned: FloatBytes;
}

/** @throws NonFiniteError for infinity, which would pass as an outlier, unless that is allowed */
export function findOutliers(
  input: FloatBytes,
  columnCount: number,
  threshold: number,
  allowNonFinite: boolean,
): Outliers {
  const halves = toHalves(input);
  const isOutlierColumn = new Uint8Array(columnCount);
  for (let i = 0; i < halves.length; i++) {
    const value = f16ToF32(halves[i] as number);
    if (Math.abs(value) === Infinity && !allowNonFinite) {
      throw new NonFiniteError(undefined, i, value);
    }
    if (Math.abs(value) >= threshold) {
      isOutlierColumn[i % columnCount] = 1;
      halves[i] = 0;
    }
  }
  const columns = Int32Array.from(
    Array.from(isOutlierColumn.keys()).filter((column) => isOutlierColumn[column] === 1),
  );
  const bytes = new Uint8Array(halves.buffer);
  return { columns, cleaned: { dtype: "float16", bytes, elementCount: halves.length } };
}

/** Sets the codes of the outlier columns to 0. A single row keeps its other codes. */
export function zeroColumns(codes: Int8Array, columnCount: number, columns: Int32Array): void {
  if (codes.length <= columnCount) return;
  for (let row = 0; row < codes.length; row += columnCount) {
    for (const column of columns) codes[row + column] = 0;
  }
}

/** A float16 copy, rounded to nearest even. */
function toHalves(input: FloatBytes): Uint16Array<ArrayBuffer> {
  const copy = input.bytes.slice();
  switch (input.dtype) {
    case "float16":
      return new Uint16Array(copy.buffer);
    case "bfloat16":
      return Uint16Array.from(new Uint16Array(copy.buffer), (bits) => f32ToF16(bf16ToF32(bits)));
    case "float32":
      return Uint16Array.from(new Float32Array(copy.buffer), f32ToF16);
  }
}
