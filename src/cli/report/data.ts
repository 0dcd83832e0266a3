/** What a comparison page is made from: plain data, and no file is read for it. */

import type { ComparisonSums } from "../../metrics/comparison.ts";
import type { HistogramCounts } from "../../metrics/histogram.ts";

export interface CompareReport {
  /** quantwise's version. */
  readonly version: string;
  readonly original: ReportModel;
  readonly quantized: ReportModel;
  /** Every tensor that is in both models, in the model's order. */
  readonly tensors: readonly ReportTensor[];
  /** Of a few chosen tensors: each takes about 1 kB of the page. The first is shown at once. */
  readonly histograms: readonly ReportHistogram[];
  /** What other schemes would do to the same weights. Empty: there is no such plot. */
  readonly schemes: readonly SchemePoint[];
  /** What a reader must know, such as tensors that are in one model only. */
  readonly warnings: readonly string[];
}

export interface ReportModel {
  /** As the user called it. */
  readonly name: string;
  /** Bytes of all its files of weights. */
  readonly bytes: number;
}

export interface ReportTensor {
  /** The original's name. */
  readonly name: string;
  /** The original's shape. */
  readonly shape: readonly number[];
  /** The original's dtype. */
  readonly dtype: string;
  /** How it is stored now: a scheme such as "nf4", or a dtype such as "bfloat16". */
  readonly storedAs: string;
  /** Whether `storedAs` is a scheme: tensors kept in float are no measure of one. */
  readonly isQuantized: boolean;
  /** Bytes stored now, those of scales and tables too. */
  readonly storedBytes: number;
  readonly sums: ComparisonSums;
}

/** Original weights of one tensor, and the values that a stored weight can have. */
export interface ReportHistogram {
  readonly tensor: string;
  readonly storedAs: string;
  /** A range of about twice the levels' shows them; the page tells how many weights are beyond. */
  readonly counts: HistogramCounts;
  /** Levels at scale 1, ascending. */
  readonly levels: readonly number[];
  /** Scale of a typical block, such as the median: a level then stands at level · scale. */
  readonly scale: number;
}

/** One scheme's cost and error over the compared model's quantized weights. */
export interface SchemePoint {
  /** As people call it: "nf4, block 64". */
  readonly scheme: string;
  /** Stored bits per weight, those of scales too. */
  readonly bitsPerWeight: number;
  /** √(Σ(w − w')² / Σw²). */
  readonly relativeRms: number;
}
