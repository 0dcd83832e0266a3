/** What a codebook coding is: levels as data, never repeated in a kernel. */

/**
 * Which bitsandbytes to be bit for bit: its default backend (`torch`) or its CUDA kernels
 * (`cuda`). They differ in ties, all-zero blocks, the short last block and a few thresholds;
 * see docs/parity.md.
 */
export type QuantMode = "torch" | "cuda";

/** A fixed table of levels in [−1, 1]; a block's values are level · absmax. */
export interface Codebook {
  /** "nf4", "fp4", "dynamic8", or the caller's own name for a custom 8-bit map. */
  readonly name: string;
  readonly bits: 4 | 8;
  /** levels[code] is the value of that code. Length 2^bits. */
  readonly levels: Float32Array;
}
