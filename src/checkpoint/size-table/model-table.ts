/** What a model weighs in every coding, by its header: the plan of each, no tensor read. */

import { ArgumentError, PlanError } from "../../foundation/errors.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import type { CodingOptions } from "../../tensor/options.ts";
import { identityOf, type ModelConfig, refuseQuantized } from "../config/model-config.ts";
import { quantizedConfigText } from "../config/quantization-config.ts";
import { exactSizes, outputFiles, singleOutputFile } from "../output-plan.ts";
import { Plan } from "../plan.ts";
import type { Selection } from "../rules.ts";
import { DEFAULT_MAX_SHARD_BYTES } from "../shards.ts";
import type { SourceFile } from "../source-file.ts";
import type { Treatment } from "../unit.ts";
import { warningsOf } from "../warnings.ts";
import { bySize, type RefusedRow, type RowParts, type SizeRow, sizeRow } from "./row.ts";
import { type Variant, type VariantOptions, variantsOf } from "./variants.ts";

export interface ModelTableOptions extends VariantOptions, Selection {
  /** Bytes of a shard, for a directory. @defaultValue 5e9 */
  readonly maxShardSize?: number;
}

export interface ModelTable {
  readonly kind: "model";
  /** The model's weights as they are: `kept` all of them; no header counted. */
  readonly source: SizeRow;
  /** Tensors of the model, and how many of them are quantized. */
  readonly tensors: number;
  readonly quantizedTensors: number;
  /** Largest first; the source is not among them. */
  readonly rows: readonly SizeRow[];
  readonly refused: readonly RefusedRow[];
  /** What is counted, and how exactly, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * A row for every coding that the options leave open. Each is what `quantize` would write with the
 * row's options: `totalBytes` and the bits are those of its dry run.
 *
 * @param output what the source is: a directory becomes shards, a file another file
 * @throws ArgumentError for bad options; PlanError for a model that is quantized already; the first
 * refusal when no coding is left
 */
export function modelTable(
  files: readonly SourceFile[],
  config: ModelConfig | undefined,
  output: "file" | "directory",
  options: ModelTableOptions = {},
): ModelTable {
  const steps = modelTableSteps(files, config, output, options);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** The same in steps of a row each: with very many tensors one takes seconds. */
export function* modelTableSteps(
  files: readonly SourceFile[],
  config: ModelConfig | undefined,
  output: "file" | "directory",
  options: ModelTableOptions = {},
): Generator<void, ModelTable> {
  refuseQuantized(config);
  const source = sourceRow(files);
  const rows: SizeRow[] = [];
  const refused: RefusedRow[] = [];
  let first: unknown;
  let quantizedTensors = 0;
  for (const variant of variantsOf(options, false)) {
    yield;
    try {
      const plan = new Plan(files, identityOf(config), { ...selectionOf(options), ...variant });
      // The skip list may refuse the plan.
      if (output === "directory") quantizedConfigText(plan, config);
      quantizedTensors = plan.length - plan.counts().copy;
      const warnings = warningsOf(plan, config, output);
      rows.push(planRow(plan, variant, output, options, warnings, source.totalBytes));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      first ??= error;
      refused.push({ scheme: variant.quantType, options: variant, reason: error.message });
    }
  }
  if (rows.length === 0) throw first;
  const notes = notesOf(rows, output, options.maxShardSize);
  const tensors = files.reduce((sum, { table }) => sum + table.length, 0);
  return {
    kind: "model",
    source,
    tensors,
    quantizedTensors,
    rows: bySize(rows),
    refused,
    notes,
  };
}

/** What a row can be refused for: the other arguments are wrong for every row. */
const CODING_ARGUMENTS: ReadonlySet<string> = new Set<keyof CodingOptions>([
  "blockSize",
  "granularity",
  "axis",
  "symmetric",
  "doubleQuant",
]);

export function isRefusal(error: unknown): error is ArgumentError | PlanError {
  return (
    error instanceof PlanError ||
    (error instanceof ArgumentError && CODING_ARGUMENTS.has(error.argument))
  );
}

function selectionOf({ exclude, rules, include, format }: ModelTableOptions) {
  return {
    ...(exclude === undefined ? {} : { exclude }),
    ...(rules === undefined ? {} : { rules }),
    ...(include === undefined ? {} : { include }),
    ...(format === undefined ? {} : { format }),
  };
}

function sourceRow(files: readonly SourceFile[]): SizeRow {
  const dtypes = new Set<string>();
  let keptBytes = 0;
  let keptWeights = 0;
  for (const { table } of files) {
    keptBytes += table.dataBytes;
    for (const { dtype, shape } of table) {
      dtypes.add(dtype);
      keptWeights += elementCountOf(shape);
    }
  }
  const parts: RowParts = {
    scheme: [...dtypes].sort().join(", ") || "empty",
    options: null,
    coding: null,
    format: null,
    quantizedWeights: 0,
    keptWeights,
    codeBytes: 0,
    metadataBytes: 0,
    keptBytes,
    headerBytes: 0,
    slackBytes: 0,
    warnings: [],
  };
  return sizeRow(parts, keptBytes);
}

function planRow(
  plan: Plan,
  variant: Variant,
  output: "file" | "directory",
  { maxShardSize = DEFAULT_MAX_SHARD_BYTES }: ModelTableOptions,
  warnings: readonly string[],
  sourceBytes: number,
): SizeRow {
  const sums = { codeBytes: 0, metadataBytes: 0, keptBytes: 0 };
  let quantizedWeights = 0;
  let keptWeights = 0;
  for (const unit of plan.units()) {
    const count = elementCountOf(unit.entry.shape);
    if (unit.action === "copy") keptWeights += count;
    else quantizedWeights += count;
    for (const { role, byteLength } of plan.outputs(unit, "longest")) {
      if (role === "copy") sums.keptBytes += byteLength;
      else if (role === "codes") sums.codeBytes += byteLength;
      else sums.metadataBytes += byteLength;
    }
  }
  const outputs =
    output === "directory"
      ? outputFiles(plan, maxShardSize)
      : [singleOutputFile(plan, "model.safetensors")];
  const { totalBytes, slackBytes } = exactSizes(plan, outputs);
  const { coding, layout } = plan.treatment(variant.quantType) as Treatment;
  const parts: RowParts = {
    scheme: variant.quantType,
    options: variant,
    coding,
    format: layout.name,
    quantizedWeights,
    keptWeights,
    ...sums,
    headerBytes: totalBytes - sums.codeBytes - sums.metadataBytes - sums.keptBytes,
    slackBytes,
    warnings,
  };
  return sizeRow(parts, sourceBytes);
}

function notesOf(
  rows: readonly SizeRow[],
  output: "file" | "directory",
  maxShardSize = DEFAULT_MAX_SHARD_BYTES,
): string[] {
  const slack = Math.max(...rows.map(({ slackBytes }) => slackBytes));
  const files =
    output === "directory"
      ? `.safetensors files of at most ${maxShardSize / 1e9} GB with their headers; config.json, the ` +
        "index of shards and the files beside them are not counted"
      : "one .safetensors file with its header";
  const notes = [
    `total: ${files}; the source is its tensors without a header`,
    "metadata: all that is stored beside codes, tables and texts included; bits: codes and metadata " +
      "a quantized weight; over all: the total over all weights; ratio: the source to the total",
  ];
  if (slack > 0) {
    notes.push(
      "nf4 and fp4, double quantized: at most these sizes; an offset is stored as text, whose " +
        `length depends on the weights, so all in all up to ${slack} bytes may fall away`,
    );
  }
  return notes;
}
