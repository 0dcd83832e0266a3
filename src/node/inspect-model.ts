/** What a model consists of: tensors, schemes, sizes, and how its weights are spread. */

import { isFloat } from "../checkpoint/rules.ts";
import { openValues, shapeOf } from "../checkpoint/stored/compare.ts";
import { nameOf, type StoredModel, type StoredTensor } from "../checkpoint/stored/stored-model.ts";
import { describeStored, elementsOf, storedBytes } from "../checkpoint/stored/stored-size.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import { type StatisticsFigures, TensorStatistics } from "../metrics/statistics.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import { TILE_BYTES, type Workspace } from "../tensor/workspace.ts";
import { openStored } from "./dequantize-model.ts";
import { openModel } from "./model-input.ts";

export interface InspectModelOptions {
  readonly config?: string;
  /** Read all weights and tell how they are spread. @defaultValue false */
  readonly stats?: boolean;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  readonly signal?: AbortSignal;
  /** For a model at an address; see `openModel`. */
  readonly token?: string;
  readonly onPlan?: (plan: { readonly tensors: number; readonly bytes: number }) => void;
  readonly onBytes?: (byteCount: number) => void;
}

export interface InspectedTensor {
  readonly name: string;
  readonly file: string;
  readonly shape: readonly number[];
  readonly elements: number;
  /** safetensors dtype of a plain tensor, of a quantized weight the one it had. */
  readonly dtype: string;
  /** "nf4, block 64, double quantized", or a plain tensor's dtype. */
  readonly storedAs: string;
  /** "bitsandbytes", "compressed-tensors" or "native"; absent for a plain tensor. */
  readonly layout?: string;
  /** With everything that is stored for it. */
  readonly bytes: number;
  readonly bitsPerWeight: number;
  /** On request, of floats and quantized weights. */
  readonly statistics?: StatisticsFigures;
}

export interface InspectedModel {
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  readonly tensors: readonly InspectedTensor[];
  /** What was found, largest first. */
  readonly schemes: readonly FoundScheme[];
  readonly elements: number;
  readonly bytes: number;
  readonly bitsPerWeight: number;
}

export interface FoundScheme {
  readonly storedAs: string;
  readonly layout?: string;
  readonly tensors: number;
  readonly elements: number;
  readonly bytes: number;
}

/** @throws FormatError for a quantized weight whose parts are missing or do not fit; StorageError */
export async function inspectModel(
  path: string,
  options: InspectModelOptions = {},
): Promise<InspectedModel> {
  const model = await openModel(path, options);
  try {
    const stored = await openStored(model);
    const all = [...stored.tensors()];
    const bytes = all.reduce((sum, tensor) => sum + storedBytes(tensor), 0);
    options.onPlan?.({ tensors: all.length, bytes });
    const workspace = options.stats === true ? newWorkspace(options.kernels) : undefined;
    const tensors: InspectedTensor[] = [];
    for (const tensor of all) {
      options.signal?.throwIfAborted();
      const statistics =
        workspace === undefined || !hasValues(tensor)
          ? undefined
          : await statisticsOf(tensor, stored, workspace, options.signal);
      tensors.push(inspected(tensor, stored, statistics));
      options.onBytes?.(storedBytes(tensor));
    }
    const elements = tensors.reduce((sum, tensor) => sum + tensor.elements, 0);
    return {
      files: model.files.map(({ source }) => ({ name: source.name, bytes: source.size })),
      tensors,
      schemes: schemesOf(tensors),
      elements,
      bytes,
      bitsPerWeight: elements > 0 ? (bytes * 8) / elements : 0,
    };
  } finally {
    await model.close();
  }
}

function inspected(
  tensor: StoredTensor,
  { files }: StoredModel,
  statistics: StatisticsFigures | undefined,
): InspectedTensor {
  const elements = elementsOf(tensor);
  const bytes = storedBytes(tensor);
  const isPlain = tensor.kind === "plain";
  return {
    name: nameOf(tensor),
    file: files[tensor.file]?.source.name ?? "",
    shape: shapeOf(tensor),
    elements,
    dtype: isPlain ? tensor.entry.dtype : tensor.weight.dtype,
    storedAs: describeStored(tensor),
    ...(isPlain ? {} : { layout: tensor.weight.layout }),
    bytes,
    bitsPerWeight: elements > 0 ? (bytes * 8) / elements : 0,
    ...(statistics === undefined ? {} : { statistics }),
  };
}

function schemesOf(tensors: readonly InspectedTensor[]): FoundScheme[] {
  const found = new Map<string, FoundScheme>();
  for (const { storedAs, layout, elements, bytes } of tensors) {
    const key = `${storedAs} ${layout}`;
    const before = found.get(key) ?? { tensors: 0, elements: 0, bytes: 0 };
    found.set(key, {
      storedAs,
      ...(layout === undefined ? {} : { layout }),
      tensors: before.tensors + 1,
      elements: before.elements + elements,
      bytes: before.bytes + bytes,
    });
  }
  return [...found.values()].sort((a, b) => b.bytes - a.bytes);
}

/** Two passes: outliers are told by σ, which the first one finds. */
async function statisticsOf(
  tensor: StoredTensor,
  model: StoredModel,
  workspace: Workspace,
  signal: AbortSignal | undefined,
): Promise<StatisticsFigures> {
  const statistics = new TensorStatistics();
  const elementCount = elementsOf(tensor);
  const tile = new Float32Array(Math.min(elementCount, TILE_BYTES / 4));
  for (const look of [
    (part: Float32Array) => statistics.add(part),
    (part: Float32Array) => statistics.countOutliers(part),
  ]) {
    const reader = await openValues(tensor, model, workspace);
    for (let start = 0; start < elementCount; start += tile.length) {
      signal?.throwIfAborted();
      const part = tile.subarray(0, Math.min(tile.length, elementCount - start));
      await reader.fill(new Uint8Array(part.buffer, 0, part.byteLength));
      look(part);
    }
  }
  return statistics.figures();
}

function hasValues(tensor: StoredTensor): boolean {
  return tensor.kind === "quantized" || isFloat(tensor.entry.dtype);
}
