/** `quantizeBatch`: many tensors with the same options, as many tiny ones ask for. */

import { ArgumentError } from "../foundation/errors.ts";
import type { QuantType } from "../schemes/registry.ts";
import { codeBytesOf } from "./code-bytes.ts";
import { type FloatArray, floatBytesOf } from "./float-array.ts";
import { codingOf } from "./options.ts";
import { type QuantizedBy, type QuantizeOptions, quantize } from "./quantize.ts";

/** What is the same for all of them. */
export type QuantizeBatchOptions = Omit<QuantizeOptions, "out" | "shape"> & {
  /** Of every tensor. @defaultValue [length] of each */
  readonly shape?: readonly number[];
};

/**
 * As `quantize` of one after the other, and with its bytes. Codebooks without double quantization
 * get their codes and absmax as views of one array each, which takes less time and memory for tiny
 * tensors; all others are no faster than in a loop.
 *
 * @throws as `quantize`; nothing is returned then
 */
export function quantizeBatch<Type extends QuantType = "nf4">(
  tensors: readonly FloatArray[],
  options: QuantizeBatchOptions & { readonly quantType?: Type } = {},
): QuantizedBy<Type>[] {
  if (!Array.isArray(tensors)) {
    throw new ArgumentError("tensors", "an array of weights", tensors);
  }
  const coding = codingOf(options);
  if (coding.family !== "codebook" || coding.doubleQuant) {
    return tensors.map((weights) => quantize(weights, options));
  }
  const { quantType, blockSize } = coding;
  const counts = tensors.map(
    (weights) => floatBytesOf(weights, options.dtype, "weights").elementCount,
  );
  const codes = new Uint8Array(counts.reduce((sum, n) => sum + codeBytesOf(quantType, n), 0));
  const absmax = new Float32Array(counts.reduce((sum, n) => sum + Math.ceil(n / blockSize), 0));
  let [codesAt, absmaxAt] = [0, 0];
  return tensors.map((weights, i) => {
    const count = counts[i] as number;
    const [codesEnd, absmaxEnd] = [
      codesAt + codeBytesOf(quantType, count),
      absmaxAt + Math.ceil(count / blockSize),
    ];
    const out = {
      codes: codes.subarray(codesAt, codesEnd),
      absmax: absmax.subarray(absmaxAt, absmaxEnd),
    };
    [codesAt, absmaxAt] = [codesEnd, absmaxEnd];
    return quantize(weights, { ...options, out });
  });
}
