/** Scales of sub-blocks whose codes are signed; values count by their squares. */

import { clampedInt, extreme, f32, TINY } from "./arithmetic.ts";

/**
 * Tries nineteen scales around extreme / −middle, the plain one first (`make_qx_quants`).
 *
 * @param codes out: those of the best scale, plus `middle`
 * @returns the scale
 */
export function searchSigned(x: Float32Array, codes: Int8Array, middle: number): number {
  const most = extreme(x);
  if (Math.abs(most) < TINY) {
    codes.fill(0);
    return 0;
  }
  let sumLX = 0;
  let sumL2 = 0;
  const sum = (inverse: number) => {
    sumLX = 0;
    sumL2 = 0;
    for (const value of x) {
      const code = clampedInt(f32(inverse * value), -middle, middle - 1);
      const w = f32(value * value);
      sumLX = f32(sumLX + f32(f32(w * value) * code));
      sumL2 = f32(sumL2 + f32(f32(w * code) * code));
    }
  };

  let chosen = f32(-middle / most);
  sum(chosen);
  let scale = sumL2 === 0 ? 0 : f32(sumLX / sumL2);
  let best = f32(scale * sumLX);
  for (let n = -9; n <= 9; n++) {
    if (n === 0) continue;
    const inverse = f32(-f32(middle + f32(f32(0.1) * n)) / most);
    sum(inverse);
    if (sumL2 > 0 && f32(sumLX * sumLX) > f32(best * sumL2)) {
      chosen = inverse;
      scale = f32(sumLX / sumL2);
      best = f32(scale * sumLX);
    }
  }
  x.forEach((value, i) => {
    codes[i] = clampedInt(f32(chosen * value), -middle, middle - 1) + middle;
  });
  return scale;
}

/**
 * Changes one code at a time as long as that helps, at most five times each (`make_q3_quants`).
 *
 * @param codes out: the codes plus `middle`; 0 where all values are tiny
 * @returns the scale
 */
export function searchDescent(x: Float32Array, codes: Int8Array, middle: number): number {
  const most = extreme(x);
  if (Math.abs(most) < TINY) {
    codes.fill(0);
    return 0;
  }
  const inverse = f32(-middle / most);
  let sumLX = 0;
  let sumL2 = 0;
  x.forEach((value, i) => {
    const code = clampedInt(f32(inverse * value), -middle, middle - 1);
    const w = f32(value * value);
    codes[i] = code;
    sumLX = f32(sumLX + f32(f32(w * value) * code));
    sumL2 = f32(sumL2 + f32(f32(w * code) * code));
  });
  for (let pass = 0; pass < 5; pass++) {
    let isChanged = false;
    for (let i = 0; i < x.length; i++) {
      const value = x[i] as number;
      const code = codes[i] as number;
      const w = f32(value * value);
      let lx = f32(sumLX - f32(f32(w * value) * code));
      if (!(lx > 0)) continue;
      let l2 = f32(sumL2 - f32(f32(w * code) * code));
      const next = clampedInt(f32(f32(value * l2) / lx), -middle, middle - 1);
      if (next === code) continue;
      lx = f32(lx + f32(f32(w * value) * next));
      l2 = f32(l2 + f32(f32(w * next) * next));
      if (l2 > 0 && f32(f32(lx * lx) * sumL2) > f32(f32(sumLX * sumLX) * l2)) {
        codes[i] = next;
        sumLX = lx;
        sumL2 = l2;
        isChanged = true;
      }
    }
    if (!isChanged) break;
  }
  for (let i = 0; i < codes.length; i++) codes[i] = (codes[i] as number) + middle;
  return sumL2 > 0 ? f32(sumLX / sumL2) : 0;
}
