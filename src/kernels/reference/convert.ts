/** Conversions between the float dtypes. */

import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import { f32ToBf16, f32ToF16 } from "../../foundation/half.ts";
import { floatView } from "./float-view.ts";

/**
 * Nearest, ties to even. Widening is exact and keeps the payload of a NaN (sign, fraction bits
 * shifted up); narrowing makes every NaN sign | 0x7e00 (float16) or 0x7fc0 (bfloat16).
 */
export function convertFloats(
  buffer: ArrayBuffer,
  from: FloatDtype,
  to: FloatDtype,
  sourcePtr: number,
  targetPtr: number,
  elementCount: number,
): void {
  if (from === to) {
    const bytes = elementCount * floatBytes(from);
    new Uint8Array(buffer).copyWithin(targetPtr, sourcePtr, sourcePtr + bytes);
    return;
  }
  const source = floatView(buffer, from, sourcePtr);
  if (to === "float32") {
    const target = new Uint32Array(buffer, targetPtr, elementCount);
    const halves = new Uint16Array(buffer, sourcePtr, elementCount);
    const values = new Float32Array(buffer, targetPtr, elementCount);
    for (let i = 0; i < elementCount; i++) {
      const value = source.get(i);
      if (Number.isNaN(value)) target[i] = widenNan(from, halves[i] as number);
      else values[i] = value;
    }
    return;
  }
  const target = new Uint16Array(buffer, targetPtr, elementCount);
  const narrow = to === "float16" ? f32ToF16 : f32ToBf16;
  for (let i = 0; i < elementCount; i++) {
    const value = source.get(i);
    target[i] = narrow(value);
    if (to === "float16" && Number.isNaN(value)) {
      target[i] = 0x7e00 | signOf(buffer, from, sourcePtr, i);
    }
  }
}

function widenNan(from: FloatDtype, bits: number): number {
  if (from === "bfloat16") return (bits << 16) >>> 0;
  return (((bits & 0x8000) << 16) | 0x7f800000 | ((bits & 0x3ff) << 13)) >>> 0;
}

function signOf(buffer: ArrayBuffer, from: FloatDtype, ptr: number, index: number): number {
  const bytes = floatBytes(from);
  const top = new Uint8Array(buffer, ptr)[index * bytes + bytes - 1] as number;
  return (top & 0x80) << 8;
}
