/** A checkpoint's tensors as those of GGUF: names, dimensions, the order of rows, norms as floats. */

import type { ModelConfig } from "../../checkpoint/config/model-config.ts";
import { identityOf } from "../../checkpoint/config/model-config.ts";
import { SAFETENSORS_DTYPES } from "../../checkpoint/layouts/layout.ts";
import { DecodedSource } from "../../checkpoint/stored/decoded-source.ts";
import {
  nameOf,
  type StoredModel,
  type StoredTensor,
} from "../../checkpoint/stored/stored-model.ts";
import { ggufType } from "../../formats/gguf/index.ts";
import type { SafetensorsFile } from "../../formats/safetensors/index.ts";
import type { ByteSource } from "../../foundation/byte-source.ts";
import { FLOAT_DTYPES, type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import { PlanError, quoted } from "../../foundation/errors.ts";
import { bf16ToF32, f16ToF32 } from "../../foundation/half.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import type { Workspace } from "../../tensor/workspace.ts";
import type { TensorBytes } from "../convert.ts";
import type { ModelTensor } from "../plan.ts";
import { ConfigNumbers } from "./config.ts";
import type { Family } from "./families.ts";
import { ggufName, isDropped } from "./names.ts";
import { PermutedBytes, sourceRow } from "./permuted.ts";
import { llama3Factors } from "./rope.ts";

export interface ConvertedTensor extends ModelTensor {
  open(): Promise<TensorBytes>;
}

const GGUF_TYPE_OF = { float32: "F32", float16: "F16", bfloat16: "BF16" } as const;

/**
 * @throws PlanError for a tensor that the family does not have, or that holds no floats
 */
export function convertedTensors(
  stored: StoredModel,
  config: ModelConfig,
  family: Family,
  workspace: Workspace,
): ConvertedTensor[] {
  const numbers = new ConfigNumbers(config);
  const isTied = identityOf(config).tieWordEmbeddings === true || family.addsOne;
  const tensors: ConvertedTensor[] = [];
  for (const tensor of stored.tensors()) {
    const from = nameOf(tensor);
    // Loaders tie the head to the embeddings, whatever lies in the file.
    if (isDropped(from) || (isTied && from === "lm_head.weight")) continue;
    const name = ggufName(from, family);
    if (name === undefined) {
      throw new PlanError(
        `tensor ${quoted(from)} has no name in GGUF for ${family.architecture}; make an F16 file with ` +
          "llama.cpp's convert_hf_to_gguf.py, and quantize that",
      );
    }
    const heads = family.permutes ? rotaryHeads(name, numbers) : undefined;
    const addsOne = family.addsOne && /_norm\.weight$/.test(name);
    tensors.push(converted(tensor, name, stored.files, workspace, { heads, addsOne }));
  }
  const factors = llama3Factors(numbers);
  if (factors !== undefined) tensors.push(computed("rope_freqs.weight", factors));
  return tensors;
}

/** Heads whose rows are reordered, in q and k. */
function rotaryHeads(name: string, config: ConfigNumbers): number | undefined {
  if (/\.attn_q\.(weight|bias)$/.test(name)) return config.heads;
  return /\.attn_k\.(weight|bias)$/.test(name) ? config.keyHeads : undefined;
}

interface Change {
  readonly heads: number | undefined;
  readonly addsOne: boolean;
}

function converted(
  tensor: StoredTensor,
  name: string,
  files: readonly SafetensorsFile[],
  workspace: Workspace,
  { heads, addsOne }: Change,
): ConvertedTensor {
  const { shape, dtype } = floatsOf(tensor);
  const rows = shape[0] ?? 1;
  if (heads !== undefined && rows % (2 * heads) !== 0) {
    throw new PlanError(
      `tensor ${quoted(nameOf(tensor))}: ${rows} rows do not fall into ${heads} heads of pairs`,
    );
  }
  // Norms and biases are F32 in every GGUF file.
  const isSmall = shape.length < 2 || !name.endsWith(".weight");
  const type = ggufType(isSmall ? "F32" : GGUF_TYPE_OF[dtype]);
  const elements = elementCountOf(shape);
  const dimensions = [...shape].reverse();
  const byteLength = elements * type.blockBytes;
  const open = async (): Promise<TensorBytes> => {
    const { source, position } = await placeOf(tensor, files, workspace, dtype);
    if (!isSmall) {
      if (heads !== undefined) return new PermutedBytes(source, position, byteLength, rows, heads);
      return fromSource(source, position);
    }
    const bytes = new Uint8Array(elements * floatBytes(dtype));
    await source.read(bytes, position);
    const values = floats(bytes, dtype);
    const ordered =
      heads === undefined
        ? values
        : values.map((_, row) => values[sourceRow(row, rows, heads)] as number);
    return fromBytes(addsOne ? ordered.map((value) => value + 1) : ordered);
  };
  return { name, dimensions, type, offset: 0, byteLength, file: tensor.file, open };
}

function computed(name: string, values: Float32Array): ConvertedTensor {
  const type = ggufType("F32");
  const { length, byteLength } = values;
  const open = async () => fromBytes(values);
  return { name, dimensions: [length], type, offset: 0, byteLength, file: 0, open };
}

function floatsOf(tensor: StoredTensor): {
  readonly shape: readonly number[];
  readonly dtype: FloatDtype;
} {
  if (tensor.kind === "quantized")
    return { shape: tensor.weight.shape, dtype: tensor.weight.dtype };
  const { entry } = tensor;
  const dtype = FLOAT_DTYPES.find((each) => SAFETENSORS_DTYPES[each] === entry.dtype);
  if (dtype !== undefined) return { shape: entry.shape, dtype };
  throw new PlanError(
    `tensor ${quoted(entry.name)}: its dtype is ${entry.dtype}; only F32, F16 and BF16 become GGUF`,
  );
}

/** Where a tensor's floats are; what is quantized is decoded when it is read. */
async function placeOf(
  tensor: StoredTensor,
  files: readonly SafetensorsFile[],
  workspace: Workspace,
  dtype: FloatDtype,
): Promise<{ readonly source: ByteSource; readonly position: number }> {
  if (tensor.kind === "plain") {
    const { source, dataStart } = files[tensor.file] as SafetensorsFile;
    return { source, position: dataStart + tensor.entry.begin };
  }
  const { weight } = tensor;
  const source = new DecodedSource(weight, await weight.scales(), workspace, dtype);
  return { source, position: 0 };
}

function floats(bytes: Uint8Array<ArrayBuffer>, dtype: FloatDtype): Float32Array {
  if (dtype === "float32") return new Float32Array(bytes.buffer);
  const widen = dtype === "float16" ? f16ToF32 : bf16ToF32;
  return Float32Array.from(new Uint16Array(bytes.buffer), widen);
}

function fromSource(source: ByteSource, start: number): TensorBytes {
  let position = start;
  return {
    async fill(target) {
      await source.read(target, position);
      position += target.byteLength;
    },
  };
}

function fromBytes({ buffer, byteOffset, byteLength }: Float32Array): TensorBytes {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  let at = 0;
  return {
    async fill(target) {
      target.set(bytes.subarray(at, at + target.byteLength));
      at += target.byteLength;
    },
  };
}
