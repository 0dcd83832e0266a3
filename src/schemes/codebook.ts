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
  /** How the CUDA kernels choose a 4-bit code, where that is not by midpoints. */
  readonly cuda?: CudaDecision;
}

/** A 4-bit decision by thresholds that are written out in CUDA source. */
export interface CudaDecision {
  /** `magnitude`: thresholds are for |scaled|, and a negative value sets bit 3 of the code. */
  readonly of: "value" | "magnitude";
  /** Ascending. The rank of a value is the number of thresholds strictly below it. */
  readonly thresholds: Float32Array;
  /** codes[rank]. */
  readonly codes: Uint8Array;
}

/** Levels in ascending order, and the points halfway between neighbours. */
export interface MidpointDecision {
  /** order[rank] is the code of the rank-th smallest level; equal levels keep their code order. */
  readonly order: Uint8Array;
  /** midpoints[i] = fl(fl(a + b) / 2) of the levels with rank i and i + 1. */
  readonly midpoints: Float32Array;
}

/** The decision of bitsandbytes' default backend (`_get_4bit_quantize_bounds`, `bucketize`). */
export function midpointDecision({ levels }: Codebook): MidpointDecision {
  const order = Uint8Array.from(levels.keys()).sort(
    (a, b) => (levels[a] as number) - (levels[b] as number) || a - b,
  );
  const midpoints = new Float32Array(levels.length - 1);
  for (let i = 0; i < midpoints.length; i++) {
    const lower = levels[order[i] as number] as number;
    const upper = levels[order[i + 1] as number] as number;
    midpoints[i] = Math.fround(lower + upper) / 2;
  }
  return { order, midpoints };
}

/** A table of f32 given by bit patterns, so that no decimal is ever parsed into one. */
export function f32FromBits(bits: readonly number[]): Float32Array {
  return new Float32Array(Uint32Array.from(bits).buffer);
}
