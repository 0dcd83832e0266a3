/** What a model, or a number of weights, would weigh in every coding. Headers are read, no tensor. */

import { stat } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type CountTable,
  countTable,
  type ModelTable,
  type ModelTableOptions,
  modelTableSteps,
  PARAMETER_COUNT_FORM,
  parameterCountOf,
} from "../checkpoint/size-table/index.ts";
import { ArgumentError, printable } from "../foundation/errors.ts";
import { isWebModel } from "../web/model-place.ts";
import { openModel } from "./model-input.ts";

export interface PlanSizesOptions extends ModelTableOptions {
  /** A config.json to use instead of the one beside the model. */
  readonly config?: string;
  /** Of a count: weights in a row. @defaultValue 4096 */
  readonly columns?: number;
  readonly signal?: AbortSignal;
  /** For a model at an address; see `openModel`. */
  readonly token?: string;
}

/**
 * The table of sizes. A path that exists goes before a number, and a note says so.
 *
 * @param input a .safetensors file, a checkpoint directory, or a number of weights such as "7B"
 * @throws ArgumentError, PlanError, FormatError, StorageError, or the signal's reason
 */
export async function planSizes(
  input: string,
  options: PlanSizesOptions = {},
): Promise<ModelTable | CountTable> {
  if (input === "-") {
    const allowed = "a .safetensors file, a checkpoint directory or a parameter count (no stream)";
    throw new ArgumentError("model", allowed, input);
  }
  const count = parameterCountOf(input);
  const stats = await stat(input).catch(() => undefined);
  if (stats === undefined && count !== undefined) return sizesOfCount(count, options);
  if (stats === undefined && !isPathLike(input) && !isWebModel(input)) {
    const allowed = `a .safetensors file, a checkpoint directory, or ${PARAMETER_COUNT_FORM}`;
    throw new ArgumentError("model", allowed, input);
  }
  const { config, columns, signal, token, ...tableOptions } = options;
  if (columns !== undefined) {
    throw new ArgumentError("columns", "none for a model: its header tells", columns);
  }
  const model = await openModel(input, { config, signal, token });
  try {
    const files = model.files.map(({ source, table }) => ({ name: source.name, table }));
    const steps = modelTableSteps(files, model.config, model.kind, tableOptions);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      await nextTurn();
      signal?.throwIfAborted();
    }
    const found = step.value;
    if (count === undefined) return found;
    const note = `"${printable(input)}" is a path here, and was taken as one; as a number it is ${count}`;
    return { ...found, notes: [note, ...found.notes] };
  } finally {
    await model.close();
  }
}

/** A count has no tensors to select, and no file to put them into. */
function sizesOfCount(count: number, options: PlanSizesOptions): CountTable {
  const { config, exclude, include, rules, format, maxShardSize, signal, token, ...rest } = options;
  const rule = rules?.map(({ pattern, action }) => `${pattern}=${action}`);
  const ofModels = { config, exclude, include, rule, format, maxShardSize };
  if (token !== undefined) throw new ArgumentError("token", "none for a parameter count", "one");
  for (const [argument, value] of Object.entries(ofModels)) {
    if (value === undefined) continue;
    throw new ArgumentError(argument, "none for a parameter count: it is for models", value);
  }
  return countTable(count, rest);
}

function isPathLike(text: string): boolean {
  return /[/\\]|\.safetensors$/.test(text);
}
