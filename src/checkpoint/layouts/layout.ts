/** How a tensor's parts are named and stored in an output file. */

import type { Dtype } from "../../formats/safetensors/index.ts";
import type { FloatDtype } from "../../foundation/dtype.ts";
import type { EncodedScales, EncodeJob } from "../../tensor/encoder.ts";
import type { Coding } from "../../tensor/options.ts";

/** What a stored tensor holds. */
export type Role =
  | "copy"
  | "codes"
  | "absmax"
  | "quantMap"
  | "nestedAbsmax"
  | "nestedQuantMap"
  | "nestedOffset"
  | "quantState"
  | "scb"
  | "weightFormat"
  | "scale"
  | "zeroPoint"
  | "nestedScale"
  | "tensorScale"
  | "weightShape";

/** One tensor of the output file. */
export interface OutputTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly role: Role;
}

/** The bytes of the parts that are known once a tensor is through (its codes were sent before). */
export type FinalParts = ReadonlyMap<Role, Uint8Array>;

/** What a layout must know of a weight. */
export interface Weight<Kind extends Coding = Coding> {
  readonly name: string;
  /** dtype before quantization. */
  readonly dtype: FloatDtype;
  /** [out, in] as the module sees it (GPT-2's Conv1D: already transposed). */
  readonly shape: readonly number[];
  readonly coding: Kind;
}

/**
 * Size of a double quantized tensor's JSON text, whose offset is data: `typical` guesses it, the
 * others bound it.
 */
export type TextSize = "shortest" | "typical" | "longest";

export type LayoutName = "bitsandbytes" | "compressed-tensors" | "native";

export interface Layout {
  readonly name: LayoutName;
  /**
   * The stored tensors of a weight, in the order of a forward-only file: codes, bytes, text, F32.
   *
   * @throws PlanError for a weight that the layout cannot hold
   */
  outputs(weight: Weight, text: TextSize | number): OutputTensor[];
  /** The bytes of every part but the codes. A text is padded with spaces to `textBytes`. */
  finalParts(weight: Weight, scales: EncodedScales, textBytes: number): FinalParts;
  /** What the encoder must do for this layout. */
  encoding(weight: Weight): Pick<EncodeJob, "scaleDtype" | "offsetCodes">;
}

export function outputTensor(
  role: Role,
  name: string,
  dtype: Dtype,
  shape: readonly number[],
  byteLength: number,
): OutputTensor {
  return { role, name, dtype, shape, byteLength };
}

/** Little-endian bytes of numbers (no copy; the supported machines are little-endian). */
export function bytesOf(values: Float32Array | Int8Array | Uint8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** A dtype in the spelling of safetensors. */
export const SAFETENSORS_DTYPES: Readonly<Record<FloatDtype, "F32" | "F16" | "BF16">> = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
};
