/** How far a quantized model is from its original: figures of every tensor, and of samples. */

import { layerRules } from "../checkpoint/architectures/index.ts";
import { identityOf } from "../checkpoint/config/model-config.ts";
import {
  type ComparedTensor,
  compareTensors,
  type Matching,
  matchTensors,
  shapeOf,
} from "../checkpoint/stored/compare.ts";
import { nameOf, type StoredModel, type StoredTensor } from "../checkpoint/stored/stored-model.ts";
import { elementsOf, storedBytes } from "../checkpoint/stored/stored-size.ts";
import { ArgumentError, PlanError } from "../foundation/errors.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { ComparisonSums } from "../metrics/comparison.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import {
  type LevelHistogram,
  levelHistogram,
  type SchemePoint,
  schemePoints,
} from "./compare-samples.ts";
import { openStored } from "./dequantize-model.ts";
import { type ModelInput, openModel } from "./model-input.ts";
import { checkTokenOrigins } from "./web-input.ts";

export interface CompareModelsOptions {
  /** A config.json to use instead of the one beside the original. */
  readonly config?: string;
  /** Also look at histograms, of these tensors or of the worst one, and at other schemes. */
  readonly details?: boolean;
  /** Names of tensors to make histograms of. @defaultValue the worst */
  readonly tensors?: readonly string[];
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  readonly signal?: AbortSignal;
  /** For models at one address; see `openModel`. */
  readonly token?: string;
  /** Number of tensors, and of their elements, before the first is read. */
  readonly onPlan?: (plan: { readonly tensors: number; readonly elements: number }) => void;
  readonly onElements?: (elementCount: number) => void;
  readonly onTensor?: (tensor: ComparedReport) => void;
}

export interface ComparedReport {
  readonly name: string;
  /** The original's. */
  readonly shape: readonly number[];
  readonly dtype: string;
  /** A quant type, or a dtype. */
  readonly storedAs: string;
  readonly isQuantized: boolean;
  /** Bytes stored for it in the quantized model, scales and tables included. */
  readonly storedBytes: number;
  readonly sums: ComparisonSums;
}

export interface ModelComparison {
  /** Bytes of all tensors of each model. */
  readonly originalBytes: number;
  readonly quantizedBytes: number;
  /** In the order of the original. */
  readonly tensors: readonly ComparedReport[];
  readonly onlyOriginal: readonly string[];
  readonly onlyQuantized: readonly string[];
  /** With `details`: weights of some tensors, and the levels over them. */
  readonly histograms: readonly LevelHistogram[];
  /** With `details`: what other schemes would cost and keep, on a sample of the same weights. */
  readonly schemes: readonly SchemePoint[];
}

/**
 * Compares two models, tile by tile; either may be quantized in any form that is read.
 *
 * @throws PlanError when they have no tensor in common, or shapes differ; FormatError, StorageError
 */
export async function compareModels(
  original: string,
  quantized: string,
  options: CompareModelsOptions = {},
): Promise<ModelComparison> {
  const { config, token, signal } = options;
  checkTokenOrigins([original, quantized], token);
  const left = await openModel(original, { config, token, signal });
  try {
    const right = await openModel(quantized, { token, signal });
    try {
      return await compareOpen(left, right, options);
    } finally {
      await right.close();
    }
  } finally {
    await left.close();
  }
}

async function compareOpen(
  left: ModelInput,
  right: ModelInput,
  options: CompareModelsOptions,
): Promise<ModelComparison> {
  const models = [await openStored(left), await openStored(right)] as const;
  const matching = matchTensors(...models);
  if (matching.pairs.length === 0) {
    throw new PlanError("the two models have no float tensor of the same name in common");
  }
  const chosen = chosenPairs(matching, options.tensors);
  const elements = matching.pairs.reduce((sum, [tensor]) => sum + elementsOf(tensor), 0);
  options.onPlan?.({ tensors: matching.pairs.length, elements });
  const workspaces = [newWorkspace(options.kernels), newWorkspace(options.kernels)] as const;
  const { signal, onElements } = options;
  const layers = layerRules(identityOf(left.config ?? right.config));
  const tensors: ComparedReport[] = [];
  for (const pair of matching.pairs) {
    const compared = await compareTensors(pair, models, workspaces, { layers, signal, onElements });
    const report = reportOf(compared);
    tensors.push(report);
    options.onTensor?.(report);
  }
  const details = options.details === true;
  const shown = chosen ?? worstPair(matching, tensors);
  return {
    originalBytes: totalBytes(models[0]),
    quantizedBytes: totalBytes(models[1]),
    tensors,
    onlyOriginal: matching.onlyOriginal,
    onlyQuantized: matching.onlyRestored,
    histograms: details ? await histogramsOf(shown, models, workspaces, signal) : [],
    schemes: details ? await schemePoints(matching.pairs, models[0], workspaces[0], options) : [],
  };
}

async function histogramsOf(
  pairs: readonly (readonly [StoredTensor, StoredTensor])[],
  models: readonly [StoredModel, StoredModel],
  workspaces: Parameters<typeof compareTensors>[2],
  signal: AbortSignal | undefined,
): Promise<LevelHistogram[]> {
  const histograms: LevelHistogram[] = [];
  for (const pair of pairs) {
    const histogram = await levelHistogram(pair, models, workspaces, signal);
    if (histogram !== undefined) histograms.push(histogram);
  }
  return histograms;
}

/** @throws ArgumentError for a name that no compared tensor has */
function chosenPairs(
  { pairs }: Matching,
  names: readonly string[] | undefined,
): Matching["pairs"] | undefined {
  return names?.map((name) => {
    const pair = pairs.find(([tensor]) => nameOf(tensor) === name);
    if (pair !== undefined) return pair;
    throw new ArgumentError("tensor", "the name of a tensor that both models have", name);
  });
}

/** The quantized tensor of the largest relative error. */
function worstPair({ pairs }: Matching, tensors: readonly ComparedReport[]): Matching["pairs"] {
  const relative = ({ sums, isQuantized }: ComparedReport) =>
    isQuantized && sums.originalSquares > 0 ? sums.errorSquares / sums.originalSquares : -1;
  let worst = 0;
  for (const [i, tensor] of tensors.entries()) {
    if (relative(tensor) > relative(tensors[worst] as ComparedReport)) worst = i;
  }
  return pairs.slice(worst, worst + 1);
}

function reportOf({ original, restored, sums }: ComparedTensor): ComparedReport {
  return {
    name: nameOf(original),
    shape: shapeOf(original),
    dtype: storedAs(original),
    storedAs: storedAs(restored),
    isQuantized: restored.kind === "quantized",
    storedBytes: storedBytes(restored),
    sums,
  };
}

function storedAs(tensor: StoredTensor): string {
  return tensor.kind === "plain" ? tensor.entry.dtype : tensor.weight.coding.quantType;
}

function totalBytes({ files }: StoredModel): number {
  return files.reduce((sum, { table }) => sum + table.dataBytes, 0);
}
