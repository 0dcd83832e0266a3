/** FP4: bitsandbytes' 4-bit float, a sign bit over eight magnitudes. */

import { type Codebook, f32FromBits } from "./codebook.ts";

/**
 * 4-bit float. Bit 3 is the sign; the low bits select {0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4}.
 * Code 8 is +0 in the stored map, and `torch` mode gives it to tiny *positive* values: the sorted
 * order has code 0 before code 8.
 *
 * Source: bitsandbytes 95f9af30, `functional.py` `get_4bit_type("fp4")` (levels) and
 * `csrc/kernels.cu` `dQuantizeFP4` (CUDA: a tree on |x|, up to 14 ulp off the midpoints).
 */
export const FP4: Codebook = /* @__PURE__ */ createFp4();

function createFp4(): Codebook {
  return {
    name: "fp4",
    bits: 4,
    levels: f32FromBits([
      0x00000000, 0x3baaaaab, 0x3f2aaaab, 0x3f800000, 0x3eaaaaab, 0x3f000000, 0x3e2aaaab,
      0x3e800000, 0x00000000, 0xbbaaaaab, 0xbf2aaaab, 0xbf800000, 0xbeaaaaab, 0xbf000000,
      0xbe2aaaab, 0xbe800000,
    ]),
    cuda: {
      of: "magnitude",
      thresholds: f32FromBits([
        0x3b2aaab9, 0x3db00000, 0x3e555555, 0x3e955555, 0x3ed55556, 0x3f155550, 0x3f555555,
      ]),
      codes: Uint8Array.of(0, 1, 6, 7, 4, 5, 2, 3),
    },
  };
}
