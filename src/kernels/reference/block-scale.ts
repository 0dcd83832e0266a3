/** From a block's values to its absmax and to scaled values in [−1, 1]. */

import type { QuantMode } from "../../schemes/codebook.ts";
import type { FloatView } from "./float-view.ts";

const fl = Math.fround;

/**
 * 1e-38 in f32 (bits 0x006ce3ee, a subnormal): `torch` mode never divides by less.
 *
 * Source: bitsandbytes 95f9af30, `backends/default/ops.py`, `absmax.clamp(min=1e-38)`.
 */
export const SMALLEST_SCALE = fl(1e-38);

/** What a block of nothing but NaN has as its maximum in CUDA: fmaxf started at −FLT_MAX. */
const CUDA_START = -fl(3.4028234663852886e38);

/** max |x| of `count` elements from `start`; NaN if one is NaN. */
export function absmaxOf(values: FloatView, start: number, count: number): number {
  let largest = 0;
  for (let i = start; i < start + count; i++) {
    const magnitude = Math.abs(values.get(i));
    if (magnitude > largest || Number.isNaN(magnitude)) largest = magnitude;
    if (Number.isNaN(largest)) return largest;
  }
  return largest;
}

/** As `absmaxOf` in the way of CUDA: NaN does not count; what a short block lacks counts as 0. */
export function cudaAbsmaxOf(
  values: FloatView,
  start: number,
  count: number,
  blockSize: number,
): number {
  let largest = count < blockSize ? 0 : CUDA_START;
  for (let i = start; i < start + count; i++) {
    const magnitude = Math.abs(values.get(i));
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

export interface BlockScale {
  /** What is stored. */
  readonly absmax: number;
  /** value → scaled value, as f32. */
  readonly scale: (value: number) => number;
  readonly finite: boolean;
}

/**
 * torch: full block: scaled = clamp(fl(x · fl(1 / max(absmax, 1e-38))), −1, 1);
 *        short last block: max(absmax, 1e-38) is stored and scaled = clamp(fl(x / that), −1, 1).
 * cuda:  scaled = fl(x · fl(1 / absmax)), unclamped; an all-zero block gives 0 · ∞ = NaN.
 */
export function blockScale(
  mode: QuantMode,
  values: FloatView,
  start: number,
  count: number,
  blockSize: number,
): BlockScale {
  const largest = absmaxOf(values, start, count);
  const finite = Number.isFinite(largest);
  if (mode === "cuda") {
    const absmax = finite ? largest : cudaAbsmaxOf(values, start, count, blockSize);
    const inverse = fl(1 / absmax);
    return { absmax, finite, scale: (value) => fl(value * inverse) };
  }
  const divisor = Math.max(largest, SMALLEST_SCALE);
  if (count < blockSize) {
    return { absmax: divisor, finite, scale: (value) => clamp(fl(value / divisor)) };
  }
  const inverse = fl(1 / divisor);
  return { absmax: largest, finite, scale: (value) => clamp(fl(value * inverse)) };
}

/** NaN stays NaN. */
function clamp(scaled: number): number {
  return Math.min(1, Math.max(-1, scaled));
}
