/** NF4: sixteen quantiles of the normal distribution (QLoRA), as bitsandbytes stores them. */

import { type Codebook, f32FromBits } from "./codebook.ts";

/**
 * 4-bit NormalFloat. Ascending; code 7 is 0.
 *
 * Source: bitsandbytes 95f9af30, `functional.py` `get_4bit_type("nf4")` (levels) and
 * `csrc/kernels.cu` `dQuantizeNF4` (CUDA thresholds, correctly rounded to f32; four of them are
 * one ulp away from the f32 midpoints).
 */
export const NF4: Codebook = /* @__PURE__ */ createNf4();

function createNf4(): Codebook {
  return {
    name: "nf4",
    bits: 4,
    levels: f32FromBits([
      0xbf800000, 0xbf3239b1, 0xbf066b30, 0xbeca32a0, 0xbe91a24d, 0xbe3d353f, 0xbdba7871,
      0x00000000, 0x3da2faff, 0x3e24cae3, 0x3e7c04dd, 0x3ead033a, 0x3ee1a4b8, 0x3f1007ab,
      0x3f3913b3, 0x3f800000,
    ]),
    cuda: {
      of: "value",
      thresholds: f32FromBits([
        0xbf591cd9, 0xbf1c5270, 0xbeeb8480, 0xbeadea76, 0xbe703cec, 0xbe0d38bc, 0xbd3a7871,
        0x3d22faff, 0x3df64863, 0x3e5067e0, 0x3e9582d4, 0x3ec753f9, 0x3f006d03, 0x3f248daf,
        0x3f5c89d9,
      ]),
      codes: Uint8Array.from({ length: 16 }, (_, rank) => rank),
    },
  };
}
