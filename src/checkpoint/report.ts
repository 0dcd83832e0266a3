/** What happened to each tensor, and to all together. */

import { elementCountOf } from "../foundation/shape.ts";
import type { QuantizationError } from "../metrics/quantization-error.ts";
import type { OutputTensor } from "./layouts/layout.ts";
import type { Action } from "./rules.ts";
import type { Unit } from "./unit.ts";

export interface TensorReport {
  readonly name: string;
  readonly shape: readonly number[];
  /** safetensors dtype of the source. */
  readonly dtype: string;
  readonly action: Action;
  readonly elementCount: number;
  readonly bytesBefore: number;
  /** Everything stored for it, scales and tables included. */
  readonly bytesAfter: number;
  /** Of quantized tensors, when it was measured. */
  readonly error?: QuantizationError;
}

/** Sums over a job. */
export interface Totals {
  readonly tensors: number;
  readonly quantized: number;
  readonly elements: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly quantizedElements: number;
  readonly quantizedBytesAfter: number;
  /** The tensor of the largest relative RMS error. */
  readonly worst?: TensorReport;
}

export function reportOf(
  unit: Unit,
  outputs: readonly OutputTensor[],
  error: QuantizationError | undefined,
): TensorReport {
  const { name, shape, dtype, begin, end } = unit.entry;
  return {
    name,
    shape,
    dtype,
    action: unit.action,
    elementCount: elementCountOf(shape),
    bytesBefore: end - begin,
    bytesAfter: outputs.reduce((sum, { byteLength }) => sum + byteLength, 0),
    ...(error === undefined ? {} : { error }),
  };
}

export const NO_TOTALS: Totals = {
  tensors: 0,
  quantized: 0,
  elements: 0,
  bytesBefore: 0,
  bytesAfter: 0,
  quantizedElements: 0,
  quantizedBytesAfter: 0,
};

export function addToTotals(totals: Totals, report: TensorReport): Totals {
  const isQuantized = report.action !== "copy";
  const isWorst = badness(report) > badness(totals.worst);
  const worst = isWorst ? report : totals.worst;
  return {
    tensors: totals.tensors + 1,
    quantized: totals.quantized + (isQuantized ? 1 : 0),
    elements: totals.elements + report.elementCount,
    bytesBefore: totals.bytesBefore + report.bytesBefore,
    bytesAfter: totals.bytesAfter + report.bytesAfter,
    quantizedElements: totals.quantizedElements + (isQuantized ? report.elementCount : 0),
    quantizedBytesAfter: totals.quantizedBytesAfter + (isQuantized ? report.bytesAfter : 0),
    ...(worst === undefined ? {} : { worst }),
  };
}

/** NaN, which allowed NaN leave behind, is worse than any error. */
function badness(report: TensorReport | undefined): number {
  const error = report?.error?.relativeRms ?? -1;
  return Number.isNaN(error) ? Infinity : error;
}
