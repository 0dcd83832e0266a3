/**
 * bitsandbytes' stored form of an NF4 or FP4 weight `P.weight` (functional.py, `QuantState.as_dict`
 * with `packed=True`; nn/modules.py, `Linear4bit._save_to_state_dict`):
 *
 *   P.weight                                U8 (or quantStorage) [packed bytes / item size, 1]
 *   P.weight.absmax                         F32 [blocks], U8 when double quantized
 *   P.weight.quant_map                      F32 [16]
 *   P.weight.nested_absmax                  F32 [ceil(blocks / 256)]     double quantized only
 *   P.weight.nested_quant_map               F32 [256]                    double quantized only
 *   P.weight.quant_state.bitsandbytes__nf4  U8, JSON text as `json.dumps` writes it
 */

import { pythonFloat } from "../../formats/json/python.ts";
import type { Dtype } from "../../formats/safetensors/index.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import { SCHEMES } from "../../schemes/registry.ts";
import { packedBytes, storageBytes } from "../../tensor/code-bytes.ts";
import type { EncodedScales } from "../../tensor/encoder.ts";
import { NESTED_BLOCK_SIZE } from "../../tensor/nested-absmax.ts";
import type { CodebookCoding } from "../../tensor/options.ts";
import type { NestedAbsmax, QuantStorage } from "../../tensor/quantized-tensor.ts";
import {
  bytesOf,
  type FinalParts,
  type OutputTensor,
  outputTensor,
  type Role,
  SAFETENSORS_DTYPES,
  type Weight,
} from "./layout.ts";

export type Weight4Bit = Weight<CodebookCoding>;

export const STORAGE_DTYPES: Readonly<Record<QuantStorage, Dtype>> = {
  uint8: "U8",
  ...SAFETENSORS_DTYPES,
};

/** Longest spelling of an f32 widened to double: sign, 17 digits, point, "e-45". */
const LONGEST_OFFSET = "-1.4012984643248171e-45";

/** The shortest spelling of an f32. */
const SHORTEST_OFFSET = "0.0";

/** What an offset is most often as long as; only the guess of a header's length hangs on it. */
const TYPICAL_OFFSET = "0.06250000000000001";

/** The parts in the order of a forward-only file: bytes first, then what needs alignment to 4. */
export function outputsOf4Bit(weight: Weight4Bit, quantStateBytes: number): OutputTensor[] {
  const { name, shape, coding } = weight;
  const { quantType, blockSize, doubleQuant, quantStorage } = coding;
  const elementCount = elementCountOf(shape);
  const packed = packedBytes(elementCount);
  const items = packed / storageBytes(quantStorage, elementCount, name);
  const blocks = Math.ceil(elementCount / blockSize);
  const nestedBlocks = Math.ceil(blocks / NESTED_BLOCK_SIZE);
  const part = (role: Role, suffix: string, dtype: Dtype, length: number) =>
    outputTensor(role, `${name}.${suffix}`, dtype, [length], length * (dtype === "F32" ? 4 : 1));

  const codes = outputTensor("codes", name, STORAGE_DTYPES[quantStorage], [items, 1], packed);
  const state = part("quantState", `quant_state.bitsandbytes__${quantType}`, "U8", quantStateBytes);
  const quantMap = part("quantMap", "quant_map", "F32", 16);
  if (!doubleQuant) return [codes, state, part("absmax", "absmax", "F32", blocks), quantMap];
  return [
    codes,
    part("absmax", "absmax", "U8", blocks),
    state,
    part("nestedAbsmax", "nested_absmax", "F32", nestedBlocks),
    part("nestedQuantMap", "nested_quant_map", "F32", 256),
    quantMap,
  ];
}

/** Lengths of the JSON text: exact without double quantization, whose offset is data. */
export function quantStateLengths(weight: Weight4Bit) {
  const length = (offset: string) => quantStateText(weight, offset).length;
  return {
    shortest: length(SHORTEST_OFFSET),
    typical: length(TYPICAL_OFFSET),
    longest: length(LONGEST_OFFSET),
  };
}

/** The bytes of every part but the codes. The text is padded with spaces to `quantStateBytes`. */
export function finalParts4Bit(
  weight: Weight4Bit,
  scales: Extract<EncodedScales, { family: "codebook" }>,
  quantStateBytes = 0,
): FinalParts {
  const { absmax, nested } = scales;
  const parts = new Map<Role, Uint8Array>();
  parts.set("absmax", bytesOf(absmax));
  parts.set("quantMap", bytesOf(SCHEMES[weight.coding.quantType].codebook().levels));
  if (nested !== undefined) {
    parts.set("nestedAbsmax", bytesOf(nested.absmax));
    parts.set("nestedQuantMap", bytesOf(nested.levels));
  }
  const text = quantStateText(weight, nestedOffsetText(nested)).padEnd(quantStateBytes, " ");
  parts.set("quantState", new TextEncoder().encode(text));
  return parts;
}

function nestedOffsetText(nested: NestedAbsmax | undefined): string {
  return nested === undefined ? "" : pythonFloat(nested.offset);
}

/** `json.dumps` of the quant state: separators ", " and ": ", keys in bitsandbytes' order. */
function quantStateText(weight: Weight4Bit, offset: string): string {
  const { dtype, shape, coding } = weight;
  const { quantType, blockSize, doubleQuant } = coding;
  const nested = doubleQuant
    ? `, "nested_blocksize": ${NESTED_BLOCK_SIZE}, "nested_dtype": "float32", "nested_offset": ${offset}`
    : "";
  return (
    `{"quant_type": "${quantType}", "blocksize": ${blockSize}, "dtype": "${dtype}", ` +
    `"shape": [${shape.join(", ")}]${nested}}`
  );
}
