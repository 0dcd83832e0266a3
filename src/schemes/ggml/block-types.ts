/**
 * The block types of ggml that quantwise codes: a row of weights is a run of blocks, each with its
 * own scale. Names and numbers: ggml d99724f2, `ggml/include/ggml.h`; layouts: `ggml-common.h`.
 */

export type BlockType =
  | "F32"
  | "F16"
  | "BF16"
  | "Q4_0"
  | "Q4_1"
  | "Q5_0"
  | "Q5_1"
  | "Q8_0"
  | "Q2_K"
  | "Q3_K"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K"
  | "IQ4_NL"
  | "IQ4_XS"
  | "TQ1_0"
  | "TQ2_0"
  | "MXFP4"
  | "NVFP4"
  | "Q1_0"
  | "Q2_0";

/** How much a block holds, and how it is called in a file. */
export interface BlockSize {
  /** `ggml_type`, the number in a GGUF file. */
  readonly id: number;
  readonly blockValues: number;
  readonly blockBytes: number;
}

export interface BlockLayout extends BlockSize {
  /** Where the block's 16-bit floats lie, each of which must be finite: see `infinityOf`. */
  readonly halves: readonly number[];
}

export const BLOCK_LAYOUTS: Readonly<Record<BlockType, BlockLayout>> = {
  F32: { id: 0, blockValues: 1, blockBytes: 4, halves: [] },
  F16: { id: 1, blockValues: 1, blockBytes: 2, halves: [0] },
  BF16: { id: 30, blockValues: 1, blockBytes: 2, halves: [0] },
  Q4_0: { id: 2, blockValues: 32, blockBytes: 18, halves: [0] },
  Q4_1: { id: 3, blockValues: 32, blockBytes: 20, halves: [0, 2] },
  Q5_0: { id: 6, blockValues: 32, blockBytes: 22, halves: [0] },
  Q5_1: { id: 7, blockValues: 32, blockBytes: 24, halves: [0, 2] },
  Q8_0: { id: 8, blockValues: 32, blockBytes: 34, halves: [0] },
  Q2_K: { id: 10, blockValues: 256, blockBytes: 84, halves: [80, 82] },
  Q3_K: { id: 11, blockValues: 256, blockBytes: 110, halves: [108] },
  Q4_K: { id: 12, blockValues: 256, blockBytes: 144, halves: [0, 2] },
  Q5_K: { id: 13, blockValues: 256, blockBytes: 176, halves: [0, 2] },
  Q6_K: { id: 14, blockValues: 256, blockBytes: 210, halves: [208] },
  IQ4_NL: { id: 20, blockValues: 32, blockBytes: 18, halves: [0] },
  IQ4_XS: { id: 23, blockValues: 256, blockBytes: 136, halves: [0] },
  TQ1_0: { id: 34, blockValues: 256, blockBytes: 54, halves: [52] },
  TQ2_0: { id: 35, blockValues: 256, blockBytes: 66, halves: [64] },
  MXFP4: { id: 39, blockValues: 32, blockBytes: 17, halves: [] },
  NVFP4: { id: 40, blockValues: 64, blockBytes: 36, halves: [] },
  Q1_0: { id: 41, blockValues: 128, blockBytes: 18, halves: [0] },
  Q2_0: { id: 42, blockValues: 64, blockBytes: 18, halves: [0] },
};

export const BLOCK_TYPES: readonly BlockType[] = /* @__PURE__ */ Object.keys(
  BLOCK_LAYOUTS,
) as BlockType[];

/** Infinity among the type's `halves`, and the exponent of NaN. */
export function infinityOf(type: BlockType): number {
  return type === "BF16" ? 0x7f80 : 0x7c00;
}

/** Types that a file may hold and that are only copied: no kernel reads or writes their blocks. */
export const COPIED_TYPES: Readonly<Record<string, BlockSize>> = {
  Q8_1: { id: 9, blockValues: 32, blockBytes: 36 },
  Q8_K: { id: 15, blockValues: 256, blockBytes: 292 },
  IQ2_XXS: { id: 16, blockValues: 256, blockBytes: 66 },
  IQ2_XS: { id: 17, blockValues: 256, blockBytes: 74 },
  IQ3_XXS: { id: 18, blockValues: 256, blockBytes: 98 },
  IQ1_S: { id: 19, blockValues: 256, blockBytes: 50 },
  IQ3_S: { id: 21, blockValues: 256, blockBytes: 110 },
  IQ2_S: { id: 22, blockValues: 256, blockBytes: 82 },
  I8: { id: 24, blockValues: 1, blockBytes: 1 },
  I16: { id: 25, blockValues: 1, blockBytes: 2 },
  I32: { id: 26, blockValues: 1, blockBytes: 4 },
  I64: { id: 27, blockValues: 1, blockBytes: 8 },
  F64: { id: 28, blockValues: 1, blockBytes: 8 },
  IQ1_M: { id: 29, blockValues: 256, blockBytes: 56 },
};
