/** Scale and minimum of a sub-block, found by trying some scales (`make_qkx2_quants`). */

import { clampedInt, f32 } from "./arithmetic.ts";

/** What differs between the types that search so. */
export interface MinSearch {
  readonly highest: number;
  /** The scales tried are (highest + first + step · n) to the range, n from 0 to `steps`. */
  readonly first: number;
  readonly step: number;
  readonly steps: number;
  /** Errors count by their magnitude, or by their square. */
  readonly error: "magnitude" | "square";
}

export interface MinScale {
  readonly scale: number;
  /** What is subtracted: not negative. */
  readonly min: number;
}

/** @param codes out: those of the best scale */
export function searchMin(
  x: Float32Array,
  weights: Float32Array,
  codes: Uint8Array,
  { highest, first, step, steps, error }: MinSearch,
): MinScale {
  const count = x.length;
  let min = x[0] as number;
  let max = min;
  let sumW = weights[0] as number;
  let sumX = f32(sumW * min);
  for (let i = 1; i < count; i++) {
    const value = x[i] as number;
    if (value < min) min = value;
    if (value > max) max = value;
    const w = weights[i] as number;
    sumW = f32(sumW + w);
    sumX = f32(sumX + f32(w * value));
  }
  if (min > 0) min = 0;
  if (max === min) {
    codes.fill(0);
    return { scale: 0, min: -min };
  }

  const tried = new Uint8Array(count);
  const errorOf = (scale: number, least: number, by: Uint8Array) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const diff = f32(f32(f32(scale * (by[i] as number)) + least) - (x[i] as number));
      const size = error === "magnitude" ? Math.abs(diff) : f32(diff * diff);
      sum = f32(sum + f32((weights[i] as number) * size));
    }
    return sum;
  };

  let inverse = f32(highest / f32(max - min));
  let scale = f32(1 / inverse);
  for (let i = 0; i < count; i++) {
    codes[i] = clampedInt(f32(inverse * f32((x[i] as number) - min)), 0, highest);
  }
  let best = errorOf(scale, min, codes);

  for (let n = 0; n <= steps; n++) {
    // The range is that of the minimum found so far.
    inverse = f32(f32(f32(f32(first) + f32(f32(step) * n)) + highest) / f32(max - min));
    let sumL = 0;
    let sumL2 = 0;
    let sumXL = 0;
    for (let i = 0; i < count; i++) {
      const value = x[i] as number;
      const code = clampedInt(f32(inverse * f32(value - min)), 0, highest);
      tried[i] = code;
      const wl = f32((weights[i] as number) * code);
      sumL = f32(sumL + wl);
      sumL2 = f32(sumL2 + f32(wl * code));
      sumXL = f32(sumXL + f32(wl * value));
    }
    const determinant = f32(f32(sumW * sumL2) - f32(sumL * sumL));
    if (!(determinant > 0)) continue;
    let newScale = f32(f32(f32(sumW * sumXL) - f32(sumX * sumL)) / determinant);
    let newMin = f32(f32(f32(sumL2 * sumX) - f32(sumL * sumXL)) / determinant);
    if (newMin > 0) {
      newMin = 0;
      newScale = f32(sumXL / sumL2);
    }
    const sum = errorOf(newScale, newMin, tried);
    if (sum < best) {
      codes.set(tried);
      best = sum;
      scale = newScale;
      min = newMin;
    }
  }
  return { scale, min: -min };
}
