/** What the page's script reads: the report in columns, rounded to what a plot shows. */

import { figuresOf } from "../../metrics/comparison-figures.ts";
import { onOneLine } from "../one-line.ts";
import type { CompareReport, ReportTensor, SchemePoint } from "./data.ts";

import { tensorKinds } from "./tensor-kinds.ts";
import { bitsPerWeight, shareOf } from "./totals.ts";

/** One number a tensor; null where it is unknown or infinite. */
export type NumberColumn = readonly (number | null)[];

/** Columns in the model's order; a row of the table has the same number. */
export interface PageTensors {
  readonly names: readonly string[];
  readonly kinds: readonly string[];
  readonly kindOf: readonly number[];
  readonly layerOf: NumberColumn;
  readonly elements: NumberColumn;
  readonly bits: NumberColumn;
  /** Null: infinite. */
  readonly relativeRms: NumberColumn;
  readonly largestError: NumberColumn;
  readonly cosine: NumberColumn;
  /** Share. */
  readonly saturated: NumberColumn;
  /** Count. */
  readonly clipped: NumberColumn;
  readonly nonFinite: NumberColumn;
}

export interface PageHistogram {
  readonly tensor: string;
  readonly storedAs: string;
  readonly lowest: number;
  readonly highest: number;
  readonly counts: readonly number[];
  /** Weights beyond the bins. */
  readonly outside: number;
  /** Level · scale. */
  readonly levels: readonly number[];
  readonly scale: number;
}

export interface PageData {
  readonly tensors: PageTensors;
  readonly histograms: readonly PageHistogram[];
  readonly schemes: readonly SchemePoint[];
  /** The compared model among the schemes. */
  readonly own: SchemePoint | null;
}

export function pageData(report: CompareReport, own: SchemePoint | undefined): PageData {
  return {
    tensors: columnsOf(report.tensors),
    histograms: report.histograms.map(({ tensor, storedAs, counts, levels, scale }) => ({
      tensor: onOneLine(tensor),
      storedAs: onOneLine(storedAs),
      lowest: counts.lowest,
      highest: counts.highest,
      counts: counts.counts,
      outside: counts.below + counts.above,
      levels: levels.map((level) => rounded(level * scale)),
      scale: rounded(scale),
    })),
    schemes: report.schemes.map(roundedPoint),
    own: own === undefined ? null : roundedPoint(own),
  };
}

function columnsOf(tensors: readonly ReportTensor[]): PageTensors {
  const figures = tensors.map(({ sums }) => figuresOf(sums));
  const names = tensors.map(({ name }) => onOneLine(name));
  const relativeRms = figures.map((own) => orNull(own.relativeRms));
  return {
    names,
    ...tensorKinds(names, (position) => (relativeRms[position] ?? 0) > 0),
    elements: figures.map(({ elements }) => elements),
    bits: tensors.map((tensor) => orNull(bitsPerWeight([tensor]))),
    relativeRms,
    largestError: figures.map(({ largestError }) => orNull(largestError?.magnitude ?? 0)),
    cosine: figures.map(({ cosine }) => orNull(cosine)),
    saturated: figures.map(({ saturated }) => orNull(shareOf(saturated))),
    clipped: figures.map(({ clipped }) => clipped?.count ?? null),
    nonFinite: figures.map(({ nonFinite }) => nonFinite),
  };
}

function roundedPoint({ scheme, bitsPerWeight, relativeRms }: SchemePoint): SchemePoint {
  return {
    scheme: onOneLine(scheme),
    bitsPerWeight: rounded(bitsPerWeight),
    relativeRms: rounded(relativeRms),
  };
}

function orNull(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? rounded(value) : null;
}

/** Six digits: below what a plot or an order of rows can show. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
