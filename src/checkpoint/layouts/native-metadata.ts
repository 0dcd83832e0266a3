/**
 * The JSON that a native file carries in its header, `__metadata__.quantwise`:
 *
 *   {"version":1,
 *    "codings":[{"quantType":"int4","granularity":"block","blockSize":64,"doubleQuant":true}],
 *    "tensors":{"model.layers.0.mlp.up_proj.weight":{"coding":0,"dtype":"bfloat16","shape":[64,32]}}}
 *
 * `codings` holds the options of `quantize` that made the tensors; `dtype` and `shape` are the
 * weight's own, as its module sees it.
 */

import type { Coding, CodingOptions } from "../../tensor/options.ts";
import type { Weight } from "./layout.ts";

/** Bumped when a reader of the version before would misread a file. */
export const NATIVE_VERSION = 1;

export const NATIVE_KEY = "quantwise";

export function nativeMetadata(weights: Iterable<Weight>): string | undefined {
  const codings: string[] = [];
  const tensors: string[] = [];
  for (const { name, dtype, shape, coding } of weights) {
    const text = JSON.stringify(optionsOf(coding));
    let index = codings.indexOf(text);
    if (index < 0) index = codings.push(text) - 1;
    tensors.push(`${JSON.stringify(name)}:${JSON.stringify({ coding: index, dtype, shape })}`);
  }
  if (tensors.length === 0) return undefined;
  return (
    `{"version":${NATIVE_VERSION},"codings":[${codings.join(",")}],` +
    `"tensors":{${tensors.join(",")}}}`
  );
}

/** The options that `codingOf` makes the coding of; all of them, and none that it would refuse. */
export function optionsOf(coding: Coding): CodingOptions {
  switch (coding.family) {
    case "codebook": {
      const { quantType, blockSize, doubleQuant, mode } = coding;
      return { quantType, blockSize, doubleQuant, mode };
    }
    case "rows":
      return { quantType: coding.quantType };
    case "affine": {
      const { quantType, symmetric, doubleQuant } = coding;
      return { quantType, ...grainOptions(coding), symmetric, doubleQuant };
    }
    case "float":
      return { quantType: coding.quantType, ...grainOptions(coding) };
  }
}

function grainOptions({
  granularity,
  axis,
  blockSize,
}: Extract<Coding, { axis: number }>): CodingOptions {
  if (granularity === "block") return { granularity, blockSize };
  return granularity === "channel" ? { granularity, axis } : { granularity };
}
