/**
 * Double quantization of affine scales: 8-bit codes in groups of 256, one (base, step) of f32 a
 * group. Code 0 is a block of zeros, whose scale is 1, and which is left out of the group's range.
 *
 *   linear:   code = 1 + round((s − base) / step)     base = min s, step = fl((max s − base) / 254)
 *   dynamic:  code = nearest level ≥ 1 of bitsandbytes' unsigned dynamic map to s / base
 *                                                      base = max s, step = −1
 *
 * The dynamic map takes over where a group's scales span more than 64 : 1: a linear code would
 * leave the small ones of such a group a few steps, or none.
 */

import { createDynamicMap } from "../schemes/dynamic8.ts";
import type { NestedScale } from "./quantized-tensor.ts";

/** Scales of a group. */
export const NESTED_SCALE_GROUP = 256;

/** A wider group uses the dynamic map. */
const WIDEST_LINEAR_SPAN = 64;

const fl = Math.fround;

let levels: Float32Array | undefined;

/** 256 ascending levels in [0, 1]; level 0 is 0. */
function dynamicLevels(): Float32Array {
  levels ??= createDynamicMap({ signed: false });
  return levels;
}

/**
 * Codes one group, and replaces each scale by what its code gives back.
 *
 * @param scales at most 256 positive finite f32; replaced
 * @param isZero whether the block of a scale holds only zeros
 * @param codes out, as many
 * @returns [base, step]
 */
export function nestScales(
  scales: Float32Array,
  isZero: (index: number) => boolean,
  codes: Uint8Array,
): readonly [base: number, step: number] {
  let smallest = Infinity;
  let largest = 0;
  for (let i = 0; i < scales.length; i++) {
    if (isZero(i)) continue;
    const scale = scales[i] as number;
    if (scale < smallest) smallest = scale;
    if (scale > largest) largest = scale;
  }
  if (largest === 0) {
    codes.fill(0, 0, scales.length);
    scales.fill(1);
    return [0, 0];
  }
  const isLinear = largest <= smallest * WIDEST_LINEAR_SPAN;
  const base = isLinear ? smallest : largest;
  const step = isLinear ? fl(fl(largest - smallest) / 254) : -1;
  for (let i = 0; i < scales.length; i++) {
    const scale = scales[i] as number;
    let code = 0;
    if (!isZero(i)) code = isLinear ? linearCode(scale, base, step) : dynamicCode(scale / base);
    codes[i] = code;
    scales[i] = scaleOf(code, base, step);
  }
  return [base, step];
}

/** What `nestScales` left in place of the scales from `start` to `end`. */
export function unnestScales(
  codes: Uint8Array,
  { blockSize, ranges }: NestedScale,
  start: number,
  target: Float32Array,
): void {
  for (let i = 0; i < target.length; i++) {
    const group = Math.floor((start + i) / blockSize);
    const base = ranges[2 * group] as number;
    const step = ranges[2 * group + 1] as number;
    target[i] = scaleOf(codes[start + i] as number, base, step);
  }
}

function linearCode(scale: number, base: number, step: number): number {
  if (step === 0) return 1;
  return 1 + Math.min(254, Math.max(0, Math.round((scale - base) / step)));
}

/** The level nearest to `ratio`, never level 0; the lower one on a tie. */
function dynamicCode(ratio: number): number {
  const map = dynamicLevels();
  let low = 1;
  let high = 255;
  while (low < high) {
    const middle = (low + high) >> 1;
    const midpoint = ((map[middle] as number) + (map[middle + 1] as number)) / 2;
    if (ratio <= midpoint) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Never 0: a code's scale divides weights. */
function scaleOf(code: number, base: number, step: number): number {
  if (code === 0) return 1;
  const scale =
    step < 0 ? fl((dynamicLevels()[code] as number) * base) : fl(base + fl((code - 1) * step));
  return Math.max(scale, SMALLEST_SCALE);
}

/** The smallest normal f32, below which no scale goes. */
export const SMALLEST_SCALE = 2 ** -126;
