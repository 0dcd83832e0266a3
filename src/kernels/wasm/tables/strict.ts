/** Any decision, rewritten as "how many thresholds lie strictly below": the form kernels run. */

import { type Codebook, midpointDecision, type QuantMode } from "../../../schemes/codebook.ts";

export interface StrictDecision {
  /** Ascending; rank = number of thresholds strictly below the scaled value. */
  readonly thresholds: Float32Array;
  /** order[rank] is the code. */
  readonly order: Uint8Array;
  readonly nanCode: number;
}

export function strictDecision(codebook: Codebook, mode: QuantMode): StrictDecision {
  const { midpoints, order } = midpointDecision(codebook);
  if (mode === "torch") {
    // Scaled values are clamped to [−1, 1] there: thresholds from 1 on are never passed, and those
    // below −1 always. Kernels then need no clamp.
    const thresholds = midpoints.map((t) => (t >= 1 ? Infinity : t < -1 ? -Infinity : t));
    return { thresholds, order, nanCode: order[order.length - 1] as number };
  }
  if (codebook.bits === 8) {
    return { thresholds: evenTies(codebook.levels, midpoints), order, nanCode: 0 };
  }
  const decision = codebook.cuda;
  if (decision === undefined) {
    return { thresholds: midpoints, order, nanCode: order[0] as number };
  }
  const { thresholds, codes } = decision;
  const nanCode = codes[0] as number;
  if (decision.of === "value") return { thresholds, order: codes, nanCode };

  // |s| > t of a negative s is s < −t: its complement, s ≥ −t, is s > (the float below −t).
  const negative = Array.from(thresholds, (t) => floatBelow(-t)).reverse();
  return {
    thresholds: Float32Array.of(...negative, floatBelow(0), ...thresholds),
    order: Uint8Array.of(...Array.from(codes, (code) => 8 | code).reverse(), ...codes),
    nanCode,
  };
}

/**
 * Thresholds of the CUDA search, which sends a tie to the even index: from an odd index upwards
 * equality passes, unless rounding put the midpoint on the lower level itself.
 */
function evenTies(levels: Float32Array, midpoints: Float32Array): Float32Array {
  return midpoints.map((midpoint, i) =>
    i % 2 === 1 && midpoint > (levels[i] as number) ? floatBelow(midpoint) : midpoint,
  );
}

/** The largest f32 below a finite `value`. */
function floatBelow(value: number): number {
  const float = new Float32Array([value]);
  const bits = new Int32Array(float.buffer);
  if (value === 0) bits[0] = 0x80000001 | 0;
  else (bits[0] as number) += value > 0 ? -1 : 1;
  return float[0] as number;
}
