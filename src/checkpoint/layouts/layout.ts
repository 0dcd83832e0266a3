/** How a tensor's parts are named and stored in an output file. */

import type { Dtype } from "../../formats/safetensors/index.ts";

/** What a stored tensor holds. */
export type Role =
  | "copy"
  | "codes"
  | "absmax"
  | "quantMap"
  | "nestedAbsmax"
  | "nestedQuantMap"
  | "quantState"
  | "scb"
  | "weightFormat";

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

export function outputTensor(
  role: Role,
  name: string,
  dtype: Dtype,
  shape: readonly number[],
  byteLength: number,
): OutputTensor {
  return { role, name, dtype, shape, byteLength };
}

/** Little-endian bytes of f32 values (no copy; the supported machines are little-endian). */
export function floatsAsBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
