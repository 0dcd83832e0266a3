/** One tensor of a GGUF file, and how many bytes it takes. */

import { MAX_BYTES } from "./limits.ts";
import type { GgufType } from "./types.ts";

/** What a file says of a tensor before where it lies. */
export interface GgufTensorShape {
  readonly name: string;
  /** `ne` of ggml: the contiguous dimension first, a shape of PyTorch reversed. None: one value. */
  readonly dimensions: readonly number[];
  readonly type: GgufType;
}

export interface GgufTensor extends GgufTensorShape {
  /** From the beginning of the data section, in bytes. */
  readonly offset: number;
  /** Without the padding behind it. */
  readonly byteLength: number;
}

/** Bytes of a tensor, or what is wrong with its dimensions. */
export function ggufTensorBytes({
  dimensions,
  type,
}: Omit<GgufTensorShape, "name">): { readonly byteLength: number } | { readonly problem: string } {
  const { name, blockValues, blockBytes } = type;
  const rowValues = dimensions[0] ?? 1;
  if (rowValues % blockValues !== 0) {
    const problem = `rows of ${rowValues} values, but ${name} has blocks of ${blockValues}; expected a multiple`;
    return { problem };
  }
  const elements = ggufElements(dimensions);
  const byteLength = (elements / blockValues) * blockBytes;
  if (elements <= MAX_BYTES && byteLength <= MAX_BYTES) return { byteLength };
  return { problem: `dimensions [${dimensions.join(", ")}]: more than 2^53 − 1 bytes` };
}

/** Values in a tensor of these dimensions. */
export function ggufElements(dimensions: readonly number[]): number {
  // Zero first: an infinite product of the others would make it NaN.
  return dimensions.includes(0) ? 0 : dimensions.reduce((product, n) => product * n, 1);
}

/** The next multiple of the alignment. */
export function aligned(position: number, alignment: number): number {
  return Math.ceil(position / alignment) * alignment;
}
