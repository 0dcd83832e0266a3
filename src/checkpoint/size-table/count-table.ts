/** What so many weights weigh in every coding, with no model at hand. */

import { ArgumentError } from "../../foundation/errors.ts";
import { type Coding, type CodingOptions, codingOf } from "../../tensor/options.ts";
import { LAYOUTS } from "../layouts/registry.ts";
import { countAssumptions, countNotes } from "./count-notes.ts";
import { isRefusal } from "./model-table.ts";
import { PARAMETERS_MAX } from "./parameter-count.ts";
import { bySize, type RefusedRow, type RowParts, type SizeRow, sizeRow } from "./row.ts";
import { type VariantOptions, variantsOf } from "./variants.ts";
import { type WholeModel, wholeModel } from "./whole-model.ts";

export interface CountTableOptions extends Omit<VariantOptions, "format"> {
  /**
   * Weights in a row, for what has a scale a channel: a count does not tell.
   * @defaultValue 4096
   */
  readonly columns?: number;
}

export interface CountTable {
  readonly kind: "count";
  readonly parameters: number;
  /** The row length that was taken for granted. */
  readonly columns: number;
  /** Largest first; float32 and bfloat16 are among them, all `kept`. */
  readonly rows: readonly SizeRow[];
  readonly refused: readonly RefusedRow[];
  /** What the figures tell, a sentence each. */
  readonly notes: readonly string[];
  /** All that a count does not tell and that was taken for granted. */
  readonly assumptions: readonly string[];
  /** A well-known model of that size, with what it leaves in float; null where none is known. */
  readonly wholeModel: WholeModel | null;
}

export const DEFAULT_COLUMNS = 4096;

const FLOATS = { float32: 4, bfloat16: 2 };

/**
 * All weights are quantized, as one tensor in the native form. Rows are there for every default and
 * for what was asked for.
 *
 * @throws ArgumentError
 */
export function countTable(parameters: number, options: CountTableOptions = {}): CountTable {
  const { columns = DEFAULT_COLUMNS, ...rest } = options;
  const isCount = (value: number, most: number) =>
    Number.isSafeInteger(value) && value >= 1 && value <= most;
  if (!isCount(parameters, PARAMETERS_MAX)) {
    throw new ArgumentError("parameters", "a whole number from 1 to 10^15", parameters);
  }
  if (!isCount(columns, 2 ** 31)) {
    throw new ArgumentError("columns", "a whole number from 1 to 2^31", columns);
  }
  const rows = Object.entries(FLOATS).map(([dtype, bytes]) => floatRow(dtype, parameters, bytes));
  const refused: RefusedRow[] = [];
  let first: unknown;
  for (const variant of variantsOf(rest, true)) {
    try {
      rows.push(codedRow(parameters, columns, codingOf(variant), variant));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      first ??= error;
      refused.push({ scheme: variant.quantType, options: variant, reason: error.message });
    }
  }
  if (rows.every(({ coding }) => coding === null)) throw first;
  const whole = wholeModelOf(parameters, rest);
  return {
    kind: "count",
    parameters,
    columns,
    rows: bySize(rows),
    refused,
    notes: countNotes(parameters, rows),
    assumptions: countAssumptions(columns, rows, whole !== null),
    wholeModel: whole,
  };
}

function floatRow(dtype: string, parameters: number, bytes: number): SizeRow {
  const parts: RowParts = {
    ...NOTHING,
    scheme: dtype,
    options: null,
    coding: null,
    format: null,
    keptWeights: parameters,
    keptBytes: parameters * bytes,
  };
  return sizeRow(parts, parameters * FLOATS.bfloat16);
}

function codedRow(
  parameters: number,
  columns: number,
  coding: Coding,
  options: CodingOptions,
): SizeRow {
  const sums = { codeBytes: 0, metadataBytes: 0 };
  for (const shape of shapesOf(parameters, columns, coding)) {
    const weight = { name: "weight", dtype: "bfloat16", shape, coding } as const;
    for (const { role, byteLength } of LAYOUTS.native.outputs(weight, "longest")) {
      sums[role === "codes" ? "codeBytes" : "metadataBytes"] += byteLength;
    }
  }
  const parts: RowParts = {
    ...NOTHING,
    scheme: coding.quantType,
    options,
    coding,
    format: "native",
    quantizedWeights: parameters,
    ...sums,
  };
  return sizeRow(parts, parameters * FLOATS.bfloat16);
}

const NOTHING = {
  quantizedWeights: 0,
  keptWeights: 0,
  codeBytes: 0,
  metadataBytes: 0,
  keptBytes: 0,
  headerBytes: 0,
  slackBytes: 0,
  warnings: [],
};

/** One long row; or, where every row has a scale, rows of `columns` and a shorter one. */
function shapesOf(parameters: number, columns: number, coding: Coding): [number, number][] {
  const isByRows =
    coding.family === "rows" || ("granularity" in coding && coding.granularity === "channel");
  if (!isByRows) return [[1, parameters]];
  const rest = parameters % columns;
  const shapes: [number, number][] = [
    [(parameters - rest) / columns, columns],
    [1, rest],
  ];
  return shapes.filter((shape) => !shape.includes(0));
}

/** Of a whole model, what the count's own figures are about: blocks of 4 bits, if nothing is said. */
function wholeModelOf(parameters: number, options: VariantOptions): WholeModel | null {
  const about: VariantOptions =
    options.quantTypes === undefined
      ? { granularity: "block", ...options, quantTypes: ["int4", "nf4"] }
      : options;
  try {
    return wholeModel(parameters, about) ?? null;
  } catch (error) {
    // None of its rows goes, but some of the count's do.
    if (isRefusal(error)) return null;
    throw error;
  }
}
