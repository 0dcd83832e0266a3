/** bitsandbytes' dynamic 8-bit map: the code of optimizer states and of nested statistics. */

import type { Codebook } from "./codebook.ts";
import { linspaceF32 } from "./linspace.ts";

/** Powers of ten by exponent field; the field counts leading zeros of the code. */
const DECADES = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1];

/**
 * The 256 levels of `functional.create_dynamic_map(signed, 7, 8)`, ascending.
 *
 *   decade i holds the means of neighbours in linspace(0.1, 1, n + 1), times fl(10^(i − 6)),
 *   n = 2^i (signed, mirrored) or 2^(i + 1) (unsigned); then 0 and 1
 *
 * Signed, −1 is absent and the smallest level is −0.99296874.
 */
export function createDynamicMap({ signed }: { readonly signed: boolean }): Float32Array {
  const levels = [0, 1];
  DECADES.forEach((decade, i) => {
    const edges = linspaceF32(0.1, 1, 2 ** (signed ? i : i + 1) + 1);
    const scale = Math.fround(decade);
    for (let k = 0; k + 1 < edges.length; k++) {
      const mean = Math.fround(Math.fround((edges[k] as number) + (edges[k + 1] as number)) / 2);
      levels.push(scale * mean);
      if (signed) levels.push(-scale * mean);
    }
  });
  return Float32Array.from(levels).sort();
}

let cached: Codebook | undefined;

/** The signed dynamic map, made on first use. */
export function dynamic8(): Codebook {
  cached ??= { name: "dynamic8", bits: 8, levels: createDynamicMap({ signed: true }) };
  return cached;
}
