/** Figures over several tensors of a report: sums are added, so every weight counts the same. */

import { addComparisons, type ElementCount } from "../../metrics/comparison.ts";
import { type ComparisonFigures, figuresOf } from "../../metrics/comparison-figures.ts";
import type { CompareReport, ReportTensor, SchemePoint } from "./data.ts";

export interface ReportTotals {
  readonly label: string;
  readonly isQuantized: boolean;
  readonly tensors: readonly ReportTensor[];
  readonly storedBytes: number;
  readonly bitsPerWeight: number | undefined;
  readonly figures: ComparisonFigures;
}

export function totalsOf(label: string, tensors: readonly ReportTensor[]): ReportTotals {
  return {
    label,
    isQuantized: tensors.some(({ isQuantized }) => isQuantized),
    tensors,
    storedBytes: tensors.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    bitsPerWeight: bitsPerWeight(tensors),
    figures: figuresOf(addComparisons(tensors.map(({ sums }) => sums))),
  };
}

/** One total for each way of storing, quantized ones first, then by size. */
export function totalsByStorage(tensors: readonly ReportTensor[]): ReportTotals[] {
  const groups = new Map<string, ReportTensor[]>();
  for (const tensor of tensors) {
    const group = groups.get(tensor.storedAs) ?? [];
    group.push(tensor);
    groups.set(tensor.storedAs, group);
  }
  return [...groups]
    .map(([storedAs, group]) => totalsOf(storedAs, group))
    .sort((a, b) => Number(b.isQuantized) - Number(a.isQuantized) || b.storedBytes - a.storedBytes);
}

/** The compared model beside the schemes; undefined where nothing is quantized. */
export function ownPoint({ tensors }: CompareReport): SchemePoint | undefined {
  const quantized = tensors.filter(({ isQuantized }) => isQuantized);
  const { bitsPerWeight: bits, figures } = totalsOf("", quantized);
  if (bits === undefined || !Number.isFinite(figures.relativeRms)) return undefined;
  return { scheme: "this model", bitsPerWeight: bits, relativeRms: figures.relativeRms };
}

/** Stored bits per weight, those of scales and tables too; undefined without weights. */
export function bitsPerWeight(tensors: readonly ReportTensor[]): number | undefined {
  let bytes = 0;
  let elements = 0;
  for (const { storedBytes, sums } of tensors) {
    bytes += storedBytes;
    elements += sums.elements;
  }
  return elements > 0 ? (bytes * 8) / elements : undefined;
}

export function shareOf(count: ElementCount | undefined): number | undefined {
  return count === undefined || count.elements === 0 ? undefined : count.count / count.elements;
}

/** Worst first, what became NaN before all; equal ones stay in the model's order. */
export function worstFirst(tensors: readonly ReportTensor[]): number[] {
  // What became NaN is worse than any error.
  const errors = tensors.map(({ sums }) =>
    sums.newNonFinite > 0 ? Number.POSITIVE_INFINITY : figuresOf(sums).relativeRms,
  );
  // Two infinite errors are equal, and their difference is NaN.
  return [...errors.keys()].sort((a, b) => {
    const [x, y] = [errors[a] as number, errors[b] as number];
    return x === y ? a - b : y - x;
  });
}
