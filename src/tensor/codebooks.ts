/** The codebooks behind quant types and behind a caller's levels. */

import { ArgumentError } from "../foundation/errors.ts";
import type { Codebook } from "../schemes/codebook.ts";
import { dynamic8 } from "../schemes/dynamic8.ts";
import { FP4 } from "../schemes/fp4.ts";
import { custom8 } from "../schemes/maps8.ts";
import { NF4 } from "../schemes/nf4.ts";
import type { QuantType4 } from "./quantized-tensor.ts";

/** The levels behind a 4-bit quant type's codes. */
export function codebookOf(quantType: QuantType4): Codebook {
  return quantType === "nf4" ? NF4 : FP4;
}

/**
 * The codebook of 256 ascending levels. Kernels keep their tables by codebook, so the dynamic map
 * is always the same one.
 *
 * @throws ArgumentError
 */
export function codebookOfLevels(code: Float32Array | undefined): Codebook {
  const standard = dynamic8();
  if (code === undefined || isEqual(code, standard.levels)) return standard;
  const ascending = code.every((level, i) => i === 0 || level >= (code[i - 1] as number));
  if (code.length !== 256 || !ascending) {
    throw new ArgumentError("code", "256 ascending levels", `${code.length} levels`);
  }
  return custom8("custom", code);
}

function isEqual(one: Float32Array, other: Float32Array): boolean {
  return one.length === other.length && one.every((level, i) => Object.is(level, other[i]));
}
