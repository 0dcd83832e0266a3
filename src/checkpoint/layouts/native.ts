/**
 * quantwise's own form, for what others have no file for (docs/native-format.md). A weight `W`:
 *
 *   W                  codes: I8 or U8 of W's shape; U8 [ceil(n / 2)] at 4 bits; F8_E4M3, F8_E5M2
 *   W.absmax           codebooks: F32 [blocks], U8 when double quantized
 *   W.nested_absmax    codebooks, double quantized: F32 [ceil(blocks / 256)]
 *   W.nested_offset    codebooks, double quantized: F32 []
 *   W.scb              llm-int8: F32 [rows]
 *   W.scale            affine: F32 or U8; MX: U8 (E8M0); NVFP4: F8_E4M3; FP8: F32
 *   W.zero_point       affine, not symmetric: F32; I8 or U8 when double quantized
 *   W.nested_scale     affine, double quantized: F32 [groups, 2]
 *   W.tensor_scale     NVFP4: F32 []
 *
 * The header's `__metadata__` has a member "quantwise": see `nativeMetadata`.
 */

import type { Dtype } from "../../formats/safetensors/index.ts";
import { PlanError, quoted } from "../../foundation/errors.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import { SCHEMES } from "../../schemes/registry.ts";
import { codeBytesOf } from "../../tensor/code-bytes.ts";
import type { EncodedScales } from "../../tensor/encoder.ts";
import { NESTED_BLOCK_SIZE } from "../../tensor/nested-absmax.ts";
import { NESTED_SCALE_GROUP } from "../../tensor/nested-scale.ts";
import type { AffineCoding, CodebookCoding, FloatCoding } from "../../tensor/options.ts";
import { ScaleGrid } from "../../tensor/scale-grid.ts";
import {
  bytesOf,
  type Layout,
  type OutputTensor,
  outputTensor,
  type Role,
  type Weight,
} from "./layout.ts";

export const native: Layout = {
  name: "native",
  outputs: (weight) => [codesOf(weight), ...besideOf(weight)],
  finalParts: (_, scales) => partsOf(scales),
  encoding: () => ({}),
};

function codesOf({ name, shape, coding }: Weight): OutputTensor {
  const { quantType } = coding;
  const scheme = SCHEMES[quantType];
  const byteLength = codeBytesOf(quantType, elementCountOf(shape));
  if (scheme.bits === 4) return outputTensor("codes", name, "U8", [byteLength], byteLength);
  const dtype: Dtype =
    scheme.family === "float"
      ? scheme.format.name === "e5m2"
        ? "F8_E5M2"
        : "F8_E4M3"
      : quantType === "int8" || quantType === "llm-int8"
        ? "I8"
        : "U8";
  return outputTensor("codes", name, dtype, shape, byteLength);
}

/** The parts beside the codes; bytes first, F32 behind them. */
function besideOf(weight: Weight): OutputTensor[] {
  const { name, shape, coding } = weight;
  switch (coding.family) {
    case "codebook":
      return besideCodebook(weight as Weight<CodebookCoding>);
    case "rows":
      if (shape.length !== 2) {
        throw new PlanError(`tensor ${quoted(name)}: llm-int8 needs rank 2, not ${shape.length}`);
      }
      return [part("scb", `${name}.scb`, "F32", [shape[0] as number])];
    case "affine":
      return besideAffine(weight as Weight<AffineCoding>);
    case "float":
      return besideFloat(weight as Weight<FloatCoding>);
  }
}

function besideCodebook({ name, shape, coding }: Weight<CodebookCoding>): OutputTensor[] {
  const blocks = Math.ceil(elementCountOf(shape) / coding.blockSize);
  if (!coding.doubleQuant) return [part("absmax", `${name}.absmax`, "F32", [blocks])];
  const nested = Math.ceil(blocks / NESTED_BLOCK_SIZE);
  return [
    part("absmax", `${name}.absmax`, "U8", [blocks]),
    part("nestedAbsmax", `${name}.nested_absmax`, "F32", [nested]),
    part("nestedOffset", `${name}.nested_offset`, "F32", []),
  ];
}

function besideAffine({ name, shape, coding }: Weight<AffineCoding>): OutputTensor[] {
  const { scaleShape, scaleCount } = new ScaleGrid(shape, coding);
  const { doubleQuant, symmetric, quantType } = coding;
  const isSigned = SCHEMES[quantType].format.signed;
  const zeroPointDtype = !doubleQuant ? "F32" : isSigned ? "I8" : "U8";
  const scale = part("scale", `${name}.scale`, doubleQuant ? "U8" : "F32", scaleShape);
  const zeroPoint = symmetric
    ? []
    : [part("zeroPoint", `${name}.zero_point`, zeroPointDtype, scaleShape)];
  if (!doubleQuant) return [scale, ...zeroPoint];
  const groups = Math.ceil(scaleCount / NESTED_SCALE_GROUP);
  const nested = part("nestedScale", `${name}.nested_scale`, "F32", [groups, 2]);
  return [scale, ...zeroPoint, nested];
}

function besideFloat({ name, shape, coding }: Weight<FloatCoding>): OutputTensor[] {
  const { scaleShape } = new ScaleGrid(shape, coding);
  const { scale } = SCHEMES[coding.quantType];
  const dtype = ({ e8m0: "U8", e4m3: "F8_E4M3", float32: "F32" } as const)[scale];
  const scales = part("scale", `${name}.scale`, dtype, scaleShape);
  return scale === "e4m3"
    ? [scales, part("tensorScale", `${name}.tensor_scale`, "F32", [])]
    : [scales];
}

function part(role: Role, name: string, dtype: Dtype, shape: readonly number[]): OutputTensor {
  return outputTensor(role, name, dtype, shape, elementCountOf(shape) * (dtype === "F32" ? 4 : 1));
}

function partsOf(scales: EncodedScales): Map<Role, Uint8Array> {
  const parts = new Map<Role, Uint8Array>();
  switch (scales.family) {
    case "codebook":
      parts.set("absmax", bytesOf(scales.absmax));
      if (scales.nested === undefined) break;
      parts.set("nestedAbsmax", bytesOf(scales.nested.absmax));
      parts.set("nestedOffset", bytesOf(Float32Array.of(scales.nested.offset)));
      break;
    case "rows":
      parts.set("scb", bytesOf(scales.scb));
      break;
    case "affine":
      parts.set("scale", bytesOf(scales.scale));
      if (scales.zeroPoint !== undefined) parts.set("zeroPoint", bytesOf(scales.zeroPoint));
      if (scales.nested !== undefined) parts.set("nestedScale", bytesOf(scales.nested.ranges));
      break;
    case "float":
      parts.set("scale", bytesOf(scales.scale));
      if (scales.tensorScale !== undefined) {
        parts.set("tensorScale", bytesOf(Float32Array.of(scales.tensorScale)));
      }
  }
  return parts;
}
