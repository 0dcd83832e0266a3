/** The codec of every block type. */

import type { BlockType } from "../../../schemes/ggml/block-types.ts";
import type { BlockCodec } from "./codec.ts";
import { Q1_0, Q2_0, TQ1_0, TQ2_0 } from "./few-bits.ts";
import { BF16, F16, F32 } from "./floats.ts";
import { MXFP4, NVFP4 } from "./fp4.ts";
import { IQ4_NL, IQ4_XS } from "./iq4.ts";
import { Q2_K, Q4_K, Q5_K } from "./k-ranged.ts";
import { Q3_K, Q6_K } from "./k-signed.ts";
import { Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 } from "./small-blocks.ts";

export const CODECS: Readonly<Record<BlockType, BlockCodec>> = {
  F32,
  F16,
  BF16,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
  IQ4_NL,
  IQ4_XS,
  TQ1_0,
  TQ2_0,
  MXFP4,
  NVFP4,
  Q1_0,
  Q2_0,
};
