/**
 * Which tensors of a mixture get other types than most, as data. The rules are those of
 * llama-quantize (llama.cpp of 2026, `llama-quant.cpp`) without an importance matrix.
 */

import type { BlockType } from "../schemes/ggml/block-types.ts";
import type { GgufFileType } from "./file-types.ts";

/** Where a tensor stands among those of its kind, and in which model. */
export interface Place {
  readonly index: number;
  readonly count: number;
  /** Query heads for each key head, rounded down. */
  readonly groups: number;
}

/** The first whose condition holds decides; without any, the file's own type. */
export type Choices = readonly (readonly [BlockType, (place: Place) => boolean])[];

export type Rules = Partial<Record<GgufFileType, Choices>>;

const always = () => true;
const grouped = ({ groups }: Place) => groups >= 4;
const below = (n: number) => (place: Place) => place.index < n;
/** Of the first n-th of the layers. */
const firstPart =
  (n: number) =>
  ({ index, count }: Place) =>
    index < Math.floor(count / n);

/** The first and the last eighth, and every third between. */
function someMore({ index, count }: Place): boolean {
  const eighth = Math.floor(count / 8);
  if (index < eighth || index >= Math.floor((7 * count) / 8)) return true;
  return (index - eighth) % 3 === 2;
}

/** `attn_v`, and what holds it together with others. */
export const ATTENTION_VALUE: Rules = {
  q2_k: [
    ["Q4_K", grouped],
    ["Q3_K", always],
  ],
  q3_k_m: [
    ["Q5_K", below(2)],
    ["Q4_K", always],
  ],
  q3_k_l: [["Q5_K", always]],
  iq4_nl: [["Q5_K", grouped]],
  iq4_xs: [["Q5_K", grouped]],
  q4_k_s: [["Q5_K", below(4)]],
  q4_k_m: [["Q6_K", someMore]],
  q5_k_m: [["Q6_K", someMore]],
};

/** `ffn_down`, of experts too. */
export const FEED_FORWARD_DOWN: Rules = {
  q2_k: [["Q3_K", always]],
  q3_k_m: [
    ["Q5_K", firstPart(16)],
    ["Q4_K", always],
  ],
  q3_k_l: [["Q5_K", always]],
  iq4_nl: [["Q5_K", firstPart(8)]],
  iq4_xs: [["Q5_K", firstPart(8)]],
  q4_k_s: [["Q5_K", firstPart(8)]],
  q4_k_m: [["Q6_K", someMore]],
  q5_k_m: [["Q6_K", someMore]],
};

export const ATTENTION_OUTPUT: Rules = {
  q2_k: [["Q3_K", always]],
  q3_k_m: [["Q4_K", always]],
  q3_k_l: [["Q5_K", always]],
};

/** `attn_output` of a model with 8 experts. */
export const ATTENTION_OUTPUT_8_EXPERTS: Rules = Object.fromEntries(
  (["q2_k", "q3_k_s", "q3_k_m", "q4_k_s", "q4_k_m", "iq4_nl", "iq4_xs"] as const).map((name) => [
    name,
    [["Q5_K", always]],
  ]),
);

/** `token_embd` where the output matrix is another one. */
export const TOKEN_EMBEDDING: Rules = {
  tq1_0: [["Q4_K", always]],
  tq2_0: [["Q4_K", always]],
};

/** What takes the place of a type whose blocks do not divide the rows. */
export const FALLBACKS: Partial<Record<BlockType, BlockType>> = {
  TQ1_0: "Q4_0",
  TQ2_0: "Q4_0",
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
  IQ4_XS: "IQ4_NL",
};
