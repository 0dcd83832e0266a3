/** Rows of a table of sizes. Bytes are exact; how they are printed is another's business. */

import type { Coding, CodingOptions } from "../../tensor/options.ts";
import type { LayoutName } from "../layouts/layout.ts";

/** What weights in one coding weigh. */
export interface SizeRow {
  /** A quant type, or the dtype of weights that are left as they are. */
  readonly scheme: string;
  /**
   * What `quantize` must be told, beside the options that the table was asked with, to get this
   * row; null for weights in float.
   */
  readonly options: CodingOptions | null;
  /** The options, complete; null for weights in float. */
  readonly coding: Coding | null;
  /** The form of storage; null for weights in float. */
  readonly format: LayoutName | null;
  readonly quantizedWeights: number;
  readonly keptWeights: number;
  /** Of the quantized weights' codes. */
  readonly codeBytes: number;
  /** Of everything that is stored beside codes: scales, zero points, tables, texts. */
  readonly metadataBytes: number;
  /** Of the weights that stay in float, and of whatever else is copied. */
  readonly keptBytes: number;
  /** Of the files' headers, padding included; 0 where no file is spoken of. */
  readonly headerBytes: number;
  /** The sum of the four. */
  readonly totalBytes: number;
  /** By how much `totalBytes` and `metadataBytes` may be too high at most; 0: they are exact. */
  readonly slackBytes: number;
  /** Codes and metadata a quantized weight; null where none is quantized. */
  readonly bitsPerWeight: number | null;
  /** The total over all weights. */
  readonly bitsPerWeightOverall: number | null;
  /** How many times smaller than the source; than bfloat16 where there is none. */
  readonly ratio: number | null;
  /** What `quantize` would warn of. */
  readonly warnings: readonly string[];
}

/** A coding that was asked for and that does not go. */
export interface RefusedRow {
  readonly scheme: string;
  readonly options: CodingOptions;
  readonly reason: string;
}

/** The parts of a row that others follow from. */
export type RowParts = Omit<
  SizeRow,
  "totalBytes" | "bitsPerWeight" | "bitsPerWeightOverall" | "ratio"
>;

export function sizeRow(parts: RowParts, sourceBytes: number): SizeRow {
  const { codeBytes, metadataBytes, keptBytes, headerBytes } = parts;
  const { quantizedWeights, keptWeights } = parts;
  const totalBytes = codeBytes + metadataBytes + keptBytes + headerBytes;
  return {
    ...parts,
    totalBytes,
    bitsPerWeight: bitsOf(codeBytes + metadataBytes, quantizedWeights),
    bitsPerWeightOverall: bitsOf(totalBytes, quantizedWeights + keptWeights),
    ratio: totalBytes > 0 ? sourceBytes / totalBytes : null,
  };
}

/** Largest first; equals stay in their order. */
export function bySize(rows: readonly SizeRow[]): SizeRow[] {
  return rows.toSorted((a, b) => b.totalBytes - a.totalBytes);
}

function bitsOf(bytes: number, weights: number): number | null {
  return weights > 0 ? (bytes * 8) / weights : null;
}
