/** Float arithmetic as ggml's C has it: every operation rounded to f32, nothing contracted. */

import { f32ToBits } from "../../../foundation/half.ts";

export const f32: (value: number) => number = Math.fround;

/** Below this magnitude a sub-block counts as zero (`GROUP_MAX_EPS`). */
export const TINY: number = /* @__PURE__ */ f32(1e-15);

const MAGIC = 12582912;

/**
 * Nearest whole number, ties to even, by adding 1.5 · 2^23. Beyond 2^22, and for NaN and infinity,
 * it is what the low bits of that sum spell.
 */
export function nearestInt(value: number): number {
  const sum = f32(value + MAGIC);
  if (sum >= 8388608 && sum < 16777216) return sum - MAGIC;
  return (f32ToBits(sum) & 0x7fffff) - 0x400000;
}

export function clampedInt(value: number, lowest: number, highest: number): number {
  return Math.max(lowest, Math.min(highest, nearestInt(value)));
}

/** Nearest whole number, ties away from zero. */
export function roundHalfAway(value: number): number {
  const whole = Math.trunc(value);
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole;
}

/** To a 32-bit integer: towards zero, saturating, NaN is 0. C leaves the last two open. */
export function toInt(value: number): number {
  if (Number.isNaN(value)) return 0;
  return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(value)));
}

/** As C narrows to int8_t. */
export function toInt8(value: number): number {
  return (value << 24) >> 24;
}

export function inverse(value: number): number {
  return value === 0 ? 0 : f32(1 / value);
}

/** The value of largest magnitude, the first of equals; 0 if there is none. */
export function extreme(values: Float32Array): number {
  let found = 0;
  for (const value of values) if (Math.abs(value) > Math.abs(found)) found = value;
  return found;
}

export function absmax(values: Float32Array): number {
  return Math.abs(extreme(values));
}
