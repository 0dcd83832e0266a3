/**
 * The pack-quantized form of compressed-tensors, which vLLM and transformers load. A weight
 * `P.weight` of shape [out, in], c = 32 / bits codes to a word:
 *
 *   P.weight_packed      I32 [out, in / c]           code + 2^(bits − 1), first code in the low bits
 *   P.weight_scale       the weight's dtype [out, groups]; [out, 1] per channel
 *   P.weight_zero_point  I32 [ceil(out / c), groups]  asymmetric only; packed down the columns
 *   P.weight_shape       I64 [2]                     [out, in]
 *
 * Codes are computed with the scale as it is stored, rounded to the weight's dtype.
 *
 * Source: compressed-tensors 0.20.0, `compressors/pack_quantized/`.
 */

import type { FloatDtype } from "../../foundation/dtype.ts";
import { PlanError, quoted } from "../../foundation/errors.ts";
import { f32ToBf16, f32ToF16 } from "../../foundation/half.ts";
import { SCHEMES } from "../../schemes/registry.ts";
import type { AffineCoding } from "../../tensor/options.ts";
import {
  bytesOf,
  type Layout,
  type OutputTensor,
  outputTensor,
  type Role,
  SAFETENSORS_DTYPES,
  type Weight,
} from "./layout.ts";

export const COMPRESSED_TENSORS_TYPES = ["int4", "int8"] as const;

type PackedWeight = Weight<AffineCoding>;

export const compressedTensors: Layout = {
  name: "compressed-tensors",

  outputs(weight) {
    const { name, dtype, shape, coding } = packable(weight);
    const prefix = name.slice(0, -"weight".length);
    const [rows, columns] = shape as readonly [number, number];
    const perWord = codesPerWord(coding);
    const scaleShape = scaleShapeOf(coding, rows, columns);
    const scales = scaleShape.reduce((product, dimension) => product * dimension, 1);
    const packedRows = Math.ceil(rows / perWord);
    const words = (role: Role, suffix: string, shape_: readonly [number, number]) =>
      outputTensor(role, prefix + suffix, "I32", shape_, shape_[0] * shape_[1] * 4);
    const outputs: OutputTensor[] = [
      words("codes", "weight_packed", [rows, columns / perWord]),
      outputTensor(
        "scale",
        `${prefix}weight_scale`,
        SAFETENSORS_DTYPES[dtype],
        scaleShape,
        scales * (dtype === "float32" ? 4 : 2),
      ),
      outputTensor("weightShape", `${prefix}weight_shape`, "I64", [2], 16),
    ];
    if (!coding.symmetric) {
      outputs.push(words("zeroPoint", "weight_zero_point", [packedRows, scales / rows]));
    }
    return outputs;
  },

  finalParts(weight, scales) {
    if (scales.family !== "affine") throw new TypeError("compressed-tensors holds affine codes");
    const { dtype, shape, coding } = packable(weight);
    const [rows, columns] = shape as readonly [number, number];
    const parts = new Map<Role, Uint8Array>();
    parts.set("scale", roundedBytes(scales.scale as Float32Array, dtype));
    parts.set(
      "weightShape",
      new Uint8Array(BigInt64Array.of(BigInt(rows), BigInt(columns)).buffer),
    );
    if (scales.zeroPoint !== undefined) {
      parts.set("zeroPoint", packRows(scales.zeroPoint, rows, coding));
    }
    return parts;
  },

  encoding: ({ dtype }) => ({ scaleDtype: dtype, offsetCodes: true }),
};

/** @throws PlanError for a weight that this form cannot hold */
function packable(weight: Weight): PackedWeight {
  const { name, shape, coding } = weight as PackedWeight;
  const refuse = (why: string) =>
    new PlanError(
      `tensor ${quoted(name)}: ${why}; copy it with --exclude, or use the native format`,
    );
  if (!name.endsWith(".weight"))
    throw refuse('compressed-tensors needs a name that ends in ".weight"');
  const [rows, columns] = shape;
  if (rows === undefined || columns === undefined || shape.length !== 2) {
    throw refuse(`compressed-tensors needs rank 2, and its shape is [${shape.join(", ")}]`);
  }
  const perWord = codesPerWord(coding);
  if (columns % perWord !== 0) {
    throw refuse(`its ${columns} columns do not fill words of ${perWord} codes`);
  }
  if (coding.granularity === "block" && columns % coding.blockSize !== 0) {
    throw refuse(`its ${columns} columns do not divide into groups of ${coding.blockSize}`);
  }
  if (coding.granularity === "channel" && coding.axis !== 0) {
    throw refuse(`compressed-tensors has channels of axis 0, not ${coding.axis}`);
  }
  return weight as PackedWeight;
}

function codesPerWord({ quantType }: AffineCoding): number {
  return 32 / SCHEMES[quantType].bits;
}

function scaleShapeOf(
  { granularity, blockSize }: AffineCoding,
  rows: number,
  columns: number,
): readonly number[] {
  return [rows, granularity === "channel" ? 1 : columns / blockSize];
}

/** Scales that already are numbers of that dtype. */
function roundedBytes(scales: Float32Array, dtype: FloatDtype): Uint8Array {
  if (dtype === "float32") return bytesOf(scales);
  const narrow = dtype === "float16" ? f32ToF16 : f32ToBf16;
  return new Uint8Array(Uint16Array.from(scales, narrow).buffer);
}

/** [rows, groups] numbers, packed down each column into words; what is missing counts as 0. */
function packRows(zeroPoints: ArrayLike<number>, rows: number, coding: AffineCoding): Uint8Array {
  const { bits, format } = SCHEMES[coding.quantType];
  const perWord = 32 / bits;
  const groups = zeroPoints.length / rows;
  const words = new Uint32Array(Math.ceil(rows / perWord) * groups);
  for (let row = 0; row < rows; row++) {
    const shift = bits * (row % perWord);
    for (let group = 0; group < groups; group++) {
      const at = Math.floor(row / perWord) * groups + group;
      const code = (zeroPoints[row * groups + group] as number) - format.lowest;
      words[at] = (words[at] as number) | (code << shift);
    }
  }
  return new Uint8Array(words.buffer);
}
