/** What a GGUF model consists of. */

import { type GgufEntry, ggufElements, ggufValue } from "../formats/gguf/index.ts";
import { ggufArrayOf } from "../formats/gguf/values.ts";
import { dequantizeBlocks } from "../ggml/dequantize-blocks.ts";
import { isPlainType } from "../gguf/file-types.ts";
import { rangeReader } from "../gguf/job.ts";
import type { ModelTensor } from "../gguf/plan.ts";
import { type StatisticsFigures, TensorStatistics } from "../metrics/statistics.ts";
import { BLOCK_LAYOUTS, BLOCK_TYPES, type BlockType } from "../schemes/ggml/block-types.ts";
import { type GgufInput, openGgufInput } from "./gguf-input.ts";
import {
  type InspectedModel,
  type InspectedTensor,
  type InspectModelOptions,
  type MetadataValue,
  schemesOf,
} from "./inspected.ts";

/** Elements of an array that are shown. */
const SHOWN = 4;

export async function inspectGguf(
  path: string,
  options: InspectModelOptions,
): Promise<InspectedModel> {
  const model = await openGgufInput(path, options);
  try {
    const bytes = model.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
    options.onPlan?.({ tensors: model.tensors.length, bytes });
    const tensors: InspectedTensor[] = [];
    for (const tensor of model.tensors) {
      options.signal?.throwIfAborted();
      const isCoded = BLOCK_TYPES.includes(tensor.type.name as BlockType);
      const statistics =
        options.stats === true && isCoded ? await statisticsOf(model, tensor, options) : undefined;
      tensors.push(inspected(model, tensor, statistics));
      options.onBytes?.(tensor.byteLength);
    }
    const elements = tensors.reduce((sum, tensor) => sum + tensor.elements, 0);
    return {
      files: model.files.map(({ source }) => ({ name: source.name, bytes: source.size })),
      tensors,
      schemes: schemesOf(tensors),
      elements,
      bytes,
      bitsPerWeight: elements > 0 ? (bytes * 8) / elements : 0,
      metadata: Object.fromEntries([...model.metadata].map((entry) => [entry.key, shown(entry)])),
    };
  } finally {
    await model.close();
  }
}

function inspected(
  { files }: GgufInput,
  { name, dimensions, type, byteLength, file }: ModelTensor,
  statistics: StatisticsFigures | undefined,
): InspectedTensor {
  const elements = ggufElements(dimensions);
  return {
    name,
    file: files[file]?.source.name ?? "",
    shape: [...dimensions].reverse(),
    elements,
    dtype: type.name,
    storedAs: type.name,
    ...(isPlainType(type.name) ? {} : { layout: "gguf" }),
    bytes: byteLength,
    bitsPerWeight: elements > 0 ? (byteLength * 8) / elements : 0,
    ...(statistics === undefined ? {} : { statistics }),
  };
}

function shown(entry: GgufEntry): MetadataValue {
  const value = ggufValue(entry);
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object") return value;
  const first = value.slice(0, SHOWN).map((element) => {
    return typeof element === "bigint" ? String(element) : element;
  });
  return { ...ggufArrayOf(entry.bytes), first };
}

/** Values that are looked at at once: a multiple of every block. */
const CHUNK_VALUES = 1 << 18;

/** Two passes: outliers are told by σ, which the first one finds. */
async function statisticsOf(
  { files }: GgufInput,
  tensor: ModelTensor,
  { kernels = "auto", signal }: InspectModelOptions,
): Promise<StatisticsFigures> {
  const statistics = new TensorStatistics();
  const type = tensor.type.name as BlockType;
  const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
  const open = rangeReader(files);
  const chunk = new Uint8Array((CHUNK_VALUES / blockValues) * blockBytes);
  for (const look of [
    (part: Float32Array) => statistics.add(part),
    (part: Float32Array) => statistics.countOutliers(part),
  ]) {
    const bytes = await open(tensor);
    for (let at = 0; at < tensor.byteLength; at += chunk.byteLength) {
      signal?.throwIfAborted();
      const blocks = chunk.subarray(0, tensor.byteLength - at);
      await bytes.fill(blocks);
      look(dequantizeBlocks(blocks, { type, kernels }));
    }
  }
  return statistics.figures();
}
