/** What a model consists of: tensors, schemes, sizes, and how its weights are spread. */

import { isFloat } from "../checkpoint/rules.ts";
import { openValues, shapeOf } from "../checkpoint/stored/compare.ts";
import { nameOf, type StoredModel, type StoredTensor } from "../checkpoint/stored/stored-model.ts";
import { describeStored, elementsOf, storedBytes } from "../checkpoint/stored/stored-size.ts";
import { type StatisticsFigures, TensorStatistics } from "../metrics/statistics.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import { TILE_BYTES, type Workspace } from "../tensor/workspace.ts";
import { isGgufPath } from "../web/model-place.ts";
import { openStored } from "./dequantize-model.ts";
import { inspectGguf } from "./inspect-gguf.ts";
import {
  type InspectedModel,
  type InspectedTensor,
  type InspectModelOptions,
  schemesOf,
} from "./inspected.ts";
import { openModel } from "./model-input.ts";

/** @throws FormatError for a quantized weight whose parts are missing or do not fit; StorageError */
export async function inspectModel(
  path: string,
  options: InspectModelOptions = {},
): Promise<InspectedModel> {
  if (isGgufPath(path)) return inspectGguf(path, options);
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
