/**
 * Mean and central moments of a set, in a form that merges:  Mk = Σ(w − mean)^k,  k = 2, 3, 4.
 *
 * Source: P. Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and
 * Arbitrary-Order Statistical Moments", Sandia report SAND2008-6212, equations 1.5, 1.6 and 2.1.
 */

export interface Moments {
  readonly count: number;
  readonly mean: number;
  /** Σ(w − mean)². */
  readonly m2: number;
  /** Σ(w − mean)³. */
  readonly m3: number;
  /** Σ(w − mean)⁴. */
  readonly m4: number;
}

export const NO_MOMENTS: Moments = { count: 0, mean: 0, m2: 0, m3: 0, m4: 0 };

/**
 * Moments of the finite elements from `start` to `end`, in two loops.
 *
 * Deviations are taken from the first element, so equal elements have moments of exactly 0.
 */
export function momentsOf(weights: Float32Array, start: number, end: number): Moments {
  let first = 0;
  let count = 0;
  let shifted = 0;
  for (let i = start; i < end; i++) {
    const w = weights[i] as number;
    // Infinity − infinity and NaN − NaN are NaN.
    if (w - w !== 0) continue;
    if (count === 0) first = w;
    shifted += w - first;
    count++;
  }
  if (count === 0) return NO_MOMENTS;
  const mean = first + shifted / count;
  let m2 = 0;
  let m3 = 0;
  let m4 = 0;
  for (let i = start; i < end; i++) {
    const w = weights[i] as number;
    if (w - w !== 0) continue;
    const d = w - mean;
    const dd = d * d;
    m2 += dd;
    m3 += dd * d;
    m4 += dd * dd;
  }
  return { count, mean, m2, m3, m4 };
}

/** Moments of two sets together, from those of each. */
export function mergeMoments(a: Moments, b: Moments): Moments {
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  const count = a.count + b.count;
  const delta = b.mean - a.mean;
  const shareA = a.count / count;
  const shareB = b.count / count;
  // The set means' own deviation: Σ over both sets of (set mean − mean)².
  const between = delta * delta * a.count * shareB;
  return {
    count,
    mean: a.mean + delta * shareB,
    m2: a.m2 + b.m2 + between,
    m3:
      a.m3 +
      b.m3 +
      between * delta * (shareA - shareB) +
      3 * delta * (shareA * b.m2 - shareB * a.m2),
    m4:
      a.m4 +
      b.m4 +
      between * delta * delta * (shareA * shareA - shareA * shareB + shareB * shareB) +
      6 * delta * delta * (shareA * shareA * b.m2 + shareB * shareB * a.m2) +
      4 * delta * (shareA * b.m3 - shareB * a.m3),
  };
}
