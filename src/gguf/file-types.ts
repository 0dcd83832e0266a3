/** What a whole GGUF file may become: a type for most of its weights, and llama.cpp's number for it. */

import type { BlockType } from "../schemes/ggml/block-types.ts";

export interface FileType {
  /** `llama_ftype`, the value of `general.file_type`. */
  readonly fileType: number;
  /** What weights become where no rule says otherwise. */
  readonly type: BlockType;
}

/** By the names that llama-quantize takes, in lower case. */
export const FILE_TYPES = {
  f32: { fileType: 0, type: "F32" },
  f16: { fileType: 1, type: "F16" },
  bf16: { fileType: 32, type: "BF16" },
  q4_0: { fileType: 2, type: "Q4_0" },
  q4_1: { fileType: 3, type: "Q4_1" },
  q5_0: { fileType: 8, type: "Q5_0" },
  q5_1: { fileType: 9, type: "Q5_1" },
  q8_0: { fileType: 7, type: "Q8_0" },
  q2_k: { fileType: 10, type: "Q2_K" },
  q3_k_s: { fileType: 11, type: "Q3_K" },
  q3_k_m: { fileType: 12, type: "Q3_K" },
  q3_k_l: { fileType: 13, type: "Q3_K" },
  q4_k_s: { fileType: 14, type: "Q4_K" },
  q4_k_m: { fileType: 15, type: "Q4_K" },
  q5_k_s: { fileType: 16, type: "Q5_K" },
  q5_k_m: { fileType: 17, type: "Q5_K" },
  q6_k: { fileType: 18, type: "Q6_K" },
  iq4_nl: { fileType: 25, type: "IQ4_NL" },
  iq4_xs: { fileType: 30, type: "IQ4_XS" },
  tq1_0: { fileType: 36, type: "TQ1_0" },
  tq2_0: { fileType: 37, type: "TQ2_0" },
  mxfp4_moe: { fileType: 38, type: "MXFP4" },
} as const satisfies Record<string, FileType>;

export type GgufFileType = keyof typeof FILE_TYPES;

export const GGUF_FILE_TYPES: readonly GgufFileType[] = /* @__PURE__ */ Object.keys(
  FILE_TYPES,
) as GgufFileType[];

/** File types that llama-quantize makes only with an importance matrix, which is not read yet. */
export const NEEDS_IMPORTANCE: readonly string[] = [
  ...["q2_k_s", "iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m"],
  ...["iq3_xxs", "iq3_xs", "iq3_s", "iq3_m"],
];

/** Types that hold floats as they are: no rule makes another of them. */
export function isPlainType(type: string): type is "F32" | "F16" | "BF16" {
  return type === "F32" || type === "F16" || type === "BF16";
}
