/** AF4: sixteen levels whose author derives them for normal weights in blocks of 64. */

import type { Codebook } from "./codebook.ts";

/**
 * 4-bit AbnormalFloat. Ascending; code 7 is 0.
 *
 * Source: D. Yoshida, "NF4 Isn't Information Theoretically Optimal (and that's Good)",
 * arXiv 2306.06965, table of AF4-64; the same decimals as bitsandbytes 95f9af30, `functional.py`
 * `get_4bit_type("af4")`.
 */
export const AF4: Codebook = /* @__PURE__ */ createAf4();

function createAf4(): Codebook {
  return {
    name: "af4",
    bits: 4,
    levels: Float32Array.of(
      -1,
      -0.69441008,
      -0.51243739,
      -0.3736951,
      -0.25607552,
      -0.14982478,
      -0.04934812,
      0,
      0.04273164,
      0.12934483,
      0.21961274,
      0.31675666,
      0.42563882,
      0.55496234,
      0.72424863,
      1,
    ),
  };
}
