/** Affine quantization, element by element. */

import type { AffineFormat } from "../../schemes/affine.ts";
import type { ScaleRuns } from "../kernel-set.ts";
import { floatView } from "./float-view.ts";
import { roundHalfEven } from "./round.ts";
import { runsOf } from "./scale-runs.ts";

const fl = Math.fround;

/** No scale is smaller, unless it is given: quotients of subnormals would be too coarse. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * min[s] = min(min[s], every finite x of scale s), max[s] likewise.
 *
 * @returns whether every value is finite
 */
export function extendRange(
  buffer: ArrayBuffer,
  valuesPtr: number,
  minPtr: number,
  maxPtr: number,
  elementCount: number,
  runs: ScaleRuns,
): boolean {
  const values = floatView(buffer, "float32", valuesPtr);
  const mins = floatView(buffer, "float32", minPtr);
  const maxes = floatView(buffer, "float32", maxPtr);
  let finite = true;
  for (const { at, count, scale } of runsOf(elementCount, runs)) {
    for (let i = at; i < at + count; i++) {
      const value = values.get(i);
      if (!Number.isFinite(value)) finite = false;
      else if (value < mins.get(scale)) mins.set(scale, value);
      else if (value > maxes.get(scale)) maxes.set(scale, value);
    }
  }
  return finite;
}

/** The arithmetic of `KernelSet.affineParameters`, rounded to f32 at every step. */
export function affineParameters(
  buffer: ArrayBuffer,
  format: AffineFormat,
  symmetric: boolean,
  minPtr: number,
  maxPtr: number,
  scalePtr: number,
  zeroPointPtr: number,
  scaleCount: number,
): void {
  const mins = floatView(buffer, "float32", minPtr);
  const maxes = floatView(buffer, "float32", maxPtr);
  const scales = floatView(buffer, "float32", scalePtr);
  const zeroPoints = floatView(buffer, "float32", symmetric ? scalePtr : zeroPointPtr);
  const { lowest, highest } = format;
  for (let s = 0; s < scaleCount; s++) {
    const min = mins.get(s);
    const max = maxes.get(s);
    const exact = symmetric
      ? fl(Math.max(-min, max) / highest)
      : stepOf(min, max, highest - lowest);
    const scale = min === 0 && max === 0 ? 1 : Math.max(exact, SMALLEST_NORMAL);
    scales.set(s, scale);
    if (symmetric) continue;
    const zeroPoint = roundHalfEven(fl(lowest - fl(min / scale)));
    // Never −0: rounding −0.4 is +0 here.
    zeroPoints.set(s, Math.min(Math.max(zeroPoint, lowest), highest) + 0);
  }
}

/** (max − min) / steps, also where the difference is too large for f32. */
function stepOf(min: number, max: number, steps: number): number {
  const span = fl(max - min);
  return Number.isFinite(span) ? fl(span / steps) : fl(fl(max / steps) - fl(min / steps));
}

/** codes[i] = clamp(round-half-even(fl(x / scale)) + zeroPoint, lowest, highest); NaN is 0. */
export function quantizeAffine(
  buffer: ArrayBuffer,
  { lowest, highest }: AffineFormat,
  valuesPtr: number,
  scalePtr: number,
  zeroPointPtr: number,
  codesPtr: number,
  elementCount: number,
  runs: ScaleRuns,
): void {
  const values = floatView(buffer, "float32", valuesPtr);
  const scales = floatView(buffer, "float32", scalePtr);
  const zeroPoints = floatView(buffer, "float32", zeroPointPtr);
  const codes = new Uint8Array(buffer, codesPtr);
  for (const { at, count, scale: s } of runsOf(elementCount, runs)) {
    const scale = scales.get(s);
    const zeroPoint = zeroPointPtr === 0 ? 0 : zeroPoints.get(s);
    for (let i = at; i < at + count; i++) {
      const quotient = fl(values.get(i) / scale);
      const code = roundHalfEven(quotient) + zeroPoint;
      codes[i] = Number.isNaN(quotient) ? 0 : Math.min(Math.max(code, lowest), highest);
    }
  }
}

/** values[i] = fl((code − zeroPoint) · scale). */
export function dequantizeAffine(
  buffer: ArrayBuffer,
  { signed }: AffineFormat,
  codesPtr: number,
  scalePtr: number,
  zeroPointPtr: number,
  valuesPtr: number,
  elementCount: number,
  runs: ScaleRuns,
): void {
  const codes = signed ? new Int8Array(buffer, codesPtr) : new Uint8Array(buffer, codesPtr);
  const scales = floatView(buffer, "float32", scalePtr);
  const zeroPoints = floatView(buffer, "float32", zeroPointPtr);
  const values = floatView(buffer, "float32", valuesPtr);
  for (const { at, count, scale: s } of runsOf(elementCount, runs)) {
    const scale = scales.get(s);
    const zeroPoint = zeroPointPtr === 0 ? 0 : zeroPoints.get(s);
    for (let i = at; i < at + count; i++) {
      values.set(i, fl(((codes[i] as number) - zeroPoint) * scale));
    }
  }
}
