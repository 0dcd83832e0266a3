/** The figures that people read off `ComparisonSums`. No figure is ever NaN. */

import type { ComparisonSums, ElementCount, LargestError } from "./comparison.ts";

/** n = the pairs in the sums; all figures of n = 0 are those of equal tensors. */
export interface ComparisonFigures {
  /** All elements. */
  readonly elements: number;
  /** Elements in the sums, n: those without the non-finite pairs. */
  readonly comparedElements: number;
  readonly nonFinite: number;
  readonly newNonFinite: number;
  /** Σ(w − w')² / n. */
  readonly mse: number;
  /** √mse, in the weights' own unit. */
  readonly rmse: number;
  /**
   * √(Σ(w − w')² / Σw²): the error's RMS relative to the weights' RMS. 0 for equal tensors, zeros
   * too; Infinity where zeros became something else.
   */
  readonly relativeRms: number;
  /** Undefined when no element differs. */
  readonly largestError: LargestError | undefined;
  /**
   * Signal-to-quantization-noise ratio in decibels: 10·log10(Σw² / Σ(w − w')²). Infinity for equal
   * tensors, −Infinity where zeros became something else.
   */
  readonly sqnrDb: number;
  /**
   * Σww' / √(Σw²·Σw'²), from −1 to 1. 1 when both tensors are zero: they are equal; 0 when only
   * one is.
   */
  readonly cosine: number;
  /** Undefined where the codes are unknown. */
  readonly saturated: ElementCount | undefined;
  readonly clipped: ElementCount | undefined;
}

export function figuresOf(sums: ComparisonSums): ComparisonFigures {
  const { elements, nonFinite, errorSquares, originalSquares, restoredSquares } = sums;
  const comparedElements = elements - nonFinite;
  const mse = comparedElements > 0 ? errorSquares / comparedElements : 0;
  const equal = errorSquares === 0;
  return {
    elements,
    comparedElements,
    nonFinite,
    newNonFinite: sums.newNonFinite,
    mse,
    rmse: Math.sqrt(mse),
    relativeRms: equal ? 0 : Math.sqrt(errorSquares / originalSquares),
    largestError: sums.largestError,
    sqnrDb: equal ? Number.POSITIVE_INFINITY : 10 * Math.log10(originalSquares / errorSquares),
    cosine: cosineOf(sums.products, originalSquares, restoredSquares),
    saturated: sums.saturated.elements > 0 ? sums.saturated : undefined,
    clipped: sums.clipped.elements > 0 ? sums.clipped : undefined,
  };
}

/** Two roots: the product of the squares may leave f64's range. */
function cosineOf(products: number, originalSquares: number, restoredSquares: number): number {
  if (originalSquares === 0 && restoredSquares === 0) return 1;
  if (originalSquares === 0 || restoredSquares === 0) return 0;
  const cosine = products / Math.sqrt(originalSquares) / Math.sqrt(restoredSquares);
  return Math.min(1, Math.max(-1, cosine));
}

/** `ComparisonFigures` as JSON holds them. */
export type ComparisonJson = {
  readonly [Key in keyof ComparisonFigures]-?: Exclude<ComparisonFigures[Key], undefined> | null;
};

/**
 * JSON has no infinity and drops undefined: both become null. `relativeRms` tells what a null
 * `sqnrDb` means: 0 equal tensors, null zeros that became something else. Where no pair of finite
 * elements is left (`comparedElements` 0), no figure says anything, and all of them are null.
 */
export function comparisonJson(figures: ComparisonFigures): ComparisonJson {
  // Of elements that all became NaN nothing can be said, least of all that they are equal.
  const isUnknown = figures.elements > 0 && figures.comparedElements === 0;
  const unknown = { mse: null, rmse: null, relativeRms: null, sqnrDb: null, cosine: null };
  return {
    ...figures,
    relativeRms: finiteOrNull(figures.relativeRms),
    sqnrDb: finiteOrNull(figures.sqnrDb),
    largestError: figures.largestError ?? null,
    saturated: figures.saturated ?? null,
    clipped: figures.clipped ?? null,
    ...(isUnknown ? unknown : {}),
  };
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
