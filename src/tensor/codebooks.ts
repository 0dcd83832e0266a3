/** The codebook behind a caller's levels. */

import { ArgumentError } from "../foundation/errors.ts";
import type { Codebook } from "../schemes/codebook.ts";
import { dynamic8 } from "../schemes/dynamic8.ts";
import { custom8 } from "../schemes/maps8.ts";

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
