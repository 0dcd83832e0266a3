/** Which code a scaled value gets: the decisions of bitsandbytes, written as it writes them. */

import { type Codebook, midpointDecision, type QuantMode } from "../../schemes/codebook.ts";

/** Scaled value (f32, possibly NaN) → code. */
export type Decide = (scaled: number) => number;

export function decisionOf(codebook: Codebook, mode: QuantMode): Decide {
  if (mode === "torch") return nearestLevel(codebook);
  return codebook.bits === 8 ? cudaSearch(codebook) : cudaThresholds(codebook);
}

/**
 * `torch.bucketize(scaled, midpoints, right=False)`: the smallest rank whose midpoint is not below
 * the value, so a tie goes to the lower level and NaN to the highest.
 */
function nearestLevel(codebook: Codebook): Decide {
  const { order, midpoints } = midpointDecision(codebook);
  return (scaled) => {
    let rank = 0;
    let end = midpoints.length;
    while (rank < end) {
      const middle = (rank + end) >> 1;
      if (scaled <= (midpoints[middle] as number)) end = middle;
      else rank = middle + 1;
    }
    return order[rank] as number;
  };
}

/** `csrc/kernels.cu`, `dQuantizeNF4` and `dQuantizeFP4`: strict comparisons, NaN fails them all. */
function cudaThresholds(codebook: Codebook): Decide {
  const decision = codebook.cuda;
  if (decision === undefined) {
    const { order, midpoints } = midpointDecision(codebook);
    return (scaled) => order[countBelow(midpoints, scaled)] as number;
  }
  const { of, thresholds, codes } = decision;
  if (of === "value") return (scaled) => codes[countBelow(thresholds, scaled)] as number;
  return (scaled) =>
    (scaled < 0 ? 8 : 0) | (codes[countBelow(thresholds, Math.abs(scaled))] as number);
}

function countBelow(thresholds: Float32Array, scaled: number): number {
  let count = 0;
  for (const threshold of thresholds) if (scaled > threshold) count++;
  return count;
}

/**
 * `csrc/kernels.cu`, `dQuantize<0>`: seven halvings from index 127 end on an even index, then one
 * comparison with the midpoint towards its neighbour. Ties go to the even index; NaN to 0.
 */
function cudaSearch({ levels }: Codebook): Decide {
  const level = (index: number) => levels[index] as number;
  const midpoint = (a: number, b: number) => Math.fround(level(a) + level(b)) / 2;
  return (scaled) => {
    let pivot = 127;
    let lower = 0;
    let upper = 255;
    for (let step = 64; step > 0; step >>= 1) {
      if (scaled > level(pivot)) {
        lower = pivot;
        pivot += step;
      } else {
        upper = pivot;
        pivot -= step;
      }
    }
    if (scaled > level(pivot)) return scaled > midpoint(upper, pivot) ? upper : pivot;
    return scaled < midpoint(lower, pivot) ? lower : pivot;
  };
}
