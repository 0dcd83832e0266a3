/** LLM.int8 in memory: with outliers left out, or kept beside the codes in float16. */

import { ArgumentError } from "../foundation/errors.ts";
import { encodeAll } from "./encode-all.ts";
import type { FloatBytes } from "./float-array.ts";
import { newEncoder } from "./new-encoder.ts";
import type { RowCoding } from "./options.ts";
import { checkedColumns, findOutliers, keepColumns, zeroColumns } from "./outliers.ts";
import type { QuantizedInt8 } from "./quantized-tensor.ts";
import { recordOf } from "./record.ts";
import type { Workspace } from "./workspace.ts";

export interface RowOptions {
  readonly threshold?: number;
  readonly outlierColumns?: ArrayLike<number>;
  readonly allowNonFinite?: boolean;
}

/** @throws ArgumentError for another rank, a bad threshold, or columns that are not there */
export function quantizeRows(
  workspace: Workspace,
  coding: RowCoding,
  input: FloatBytes,
  shape: readonly number[],
  options: RowOptions,
): QuantizedInt8 {
  const [rows, columnCount] = shape;
  if (rows === undefined || columnCount === undefined || shape.length !== 2) {
    throw new ArgumentError("shape", "[rows, columns] for llm-int8", shape);
  }
  const outliers = outliersOf(input, columnCount, options);
  const codes = new Int8Array(input.elementCount);
  const { dtype } = outliers.cleaned;
  const { allowNonFinite } = options;
  const encoder = newEncoder(workspace, { coding, dtype, shape, allowNonFinite });
  const { scales } = encodeAll(encoder, outliers.cleaned, new Uint8Array(codes.buffer));
  const { columns: outlierColumns, weights: outlierWeights } = outliers;
  if (outlierColumns !== undefined) zeroColumns(codes, columnCount, outlierColumns);
  const base = { shape: [...shape], dtype: input.dtype, kernels: workspace.report };
  return {
    ...(recordOf(base, coding, codes, scales) as QuantizedInt8),
    ...(outlierColumns === undefined ? {} : { outlierColumns }),
    ...(outlierWeights === undefined ? {} : { outlierWeights }),
  };
}

function outliersOf(
  input: FloatBytes,
  columnCount: number,
  { threshold = 0, outlierColumns, allowNonFinite = false }: RowOptions,
): {
  readonly cleaned: FloatBytes;
  readonly columns?: Int32Array;
  readonly weights?: Uint16Array;
} {
  if (!(threshold >= 0)) throw new ArgumentError("threshold", "a number ≥ 0", threshold);
  if (outlierColumns !== undefined) {
    if (threshold > 0)
      throw new ArgumentError("threshold", "none beside outlierColumns", threshold);
    return keepColumns(
      input,
      columnCount,
      checkedColumns(outlierColumns, columnCount),
      allowNonFinite,
    );
  }
  return threshold > 0
    ? findOutliers(input, columnCount, threshold, allowNonFinite)
    : { cleaned: input };
}
