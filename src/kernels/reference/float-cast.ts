/** Casts to and from small floats, element by element. */

import { type FloatFormat, floatLevels } from "../../schemes/float-format.ts";
import type { ScaleRuns } from "../kernel-set.ts";
import { floatView } from "./float-view.ts";
import { runsOf } from "./scale-runs.ts";

const fl = Math.fround;

/** codes[i] = the code nearest to fl(x / scale), ties to even, saturating; NaN is `nanCode`. */
export function quantizeFloat(
  buffer: ArrayBuffer,
  format: FloatFormat,
  valuesPtr: number,
  scalePtr: number,
  codesPtr: number,
  elementCount: number,
  runs: ScaleRuns,
): void {
  const values = floatView(buffer, "float32", valuesPtr);
  const scales = floatView(buffer, "float32", scalePtr);
  const codes = new Uint8Array(buffer, codesPtr);
  const levels = floatLevels(format);
  for (const { at, count, scale } of runsOf(elementCount, runs)) {
    for (let i = at; i < at + count; i++) {
      codes[i] = nearestCode(format, levels, fl(values.get(i) / scales.get(scale)));
    }
  }
}

function nearestCode(format: FloatFormat, levels: Float32Array, value: number): number {
  if (Number.isNaN(value)) return format.nanCode;
  const isNegative = value < 0 || Object.is(value, -0);
  const sign = isNegative ? 1 << (format.bits - 1) : 0;
  return sign | nearestMagnitude(levels, Math.abs(value), format.largestCode);
}

/** Halves the codes until the last two levels around `magnitude`, then takes the nearer one. */
function nearestMagnitude(levels: Float32Array, magnitude: number, largestCode: number): number {
  const level = (code: number) => levels[code] as number;
  if (magnitude >= level(largestCode)) return largestCode;
  let below = 0;
  let above = largestCode;
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (magnitude >= level(middle)) below = middle;
    else above = middle;
  }
  // Exact as f64, as is the midpoint: levels have few bits.
  const midpoint = (level(below) + level(above)) / 2;
  if (magnitude !== midpoint) return magnitude < midpoint ? below : above;
  return below % 2 === 0 ? below : above;
}

/** values[i] = fl(level[code] · scale); of a byte that holds a 4-bit code, the low bits count. */
export function dequantizeFloat(
  buffer: ArrayBuffer,
  format: FloatFormat,
  codesPtr: number,
  scalePtr: number,
  valuesPtr: number,
  elementCount: number,
  runs: ScaleRuns,
): void {
  const codes = new Uint8Array(buffer, codesPtr);
  const scales = floatView(buffer, "float32", scalePtr);
  const values = floatView(buffer, "float32", valuesPtr);
  const levels = floatLevels(format);
  for (const { at, count, scale } of runsOf(elementCount, runs)) {
    for (let i = at; i < at + count; i++) {
      const level = levels[(codes[i] as number) % levels.length] as number;
      values.set(i, fl(level * scales.get(scale)));
    }
  }
}
