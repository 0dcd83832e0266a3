/** LLM.int8: one scale a row, after rounding the row to float16. */

import type { FloatDtype } from "../../foundation/dtype.ts";
import { f16ToF32, f32ToF16 } from "../../foundation/half.ts";
import { absmaxOf } from "./block-scale.ts";
import { type FloatView, floatView } from "./float-view.ts";
import { roundHalfEven } from "./round.ts";

const fl = Math.fround;

/** 1 / 127 as bitsandbytes rounds it (bits 0x3c010204); source: `_ops.py` `int8_vectorwise_dequant`. */
export const INVERSE_127 = fl(0.007874015718698502);

/**
 * scb[row] = max |f16(row)|; code = round-half-even(f16(x) · fl(127 · fl(1 / scb))).
 *
 * The product of f16 and f32 is rounded to f32 first. A row of zeros, and every value whose
 * product is NaN, gets code 0.
 *
 * @returns the first row with NaN or infinity as float16, or −1
 */
export function quantizeRows(
  buffer: ArrayBuffer,
  input: FloatDtype,
  valuesPtr: number,
  codesPtr: number,
  scbPtr: number,
  rowCount: number,
  columnCount: number,
): number {
  const values = roundedToF16(floatView(buffer, input, valuesPtr));
  const codes = new Int8Array(buffer, codesPtr);
  const scb = floatView(buffer, "float32", scbPtr);
  let firstNonFinite = -1;
  for (let row = 0; row < rowCount; row++) {
    const start = row * columnCount;
    const absmax = absmaxOf(values, start, columnCount);
    if (!Number.isFinite(absmax) && firstNonFinite < 0) firstNonFinite = row;
    scb.set(row, absmax);
    const codesPerUnit = fl(127 * fl(1 / absmax));
    for (let i = start; i < start + columnCount; i++) {
      const scaled = fl(values.get(i) * codesPerUnit);
      codes[i] = Number.isNaN(scaled) ? 0 : roundHalfEven(scaled);
    }
  }
  return firstNonFinite;
}

/** fl(fl(code · scb[row]) · fl(1 / 127)), rounded once more to `output`. */
export function dequantizeRows(
  buffer: ArrayBuffer,
  output: FloatDtype,
  codesPtr: number,
  scbPtr: number,
  valuesPtr: number,
  rowCount: number,
  columnCount: number,
): void {
  const values = floatView(buffer, output, valuesPtr);
  const codes = new Int8Array(buffer, codesPtr);
  const scb = floatView(buffer, "float32", scbPtr);
  for (let row = 0; row < rowCount; row++) {
    const scale = scb.get(row);
    for (let i = row * columnCount; i < (row + 1) * columnCount; i++) {
      values.set(i, fl(fl((codes[i] as number) * scale) * INVERSE_127));
    }
  }
}

function roundedToF16(values: FloatView): FloatView {
  return { get: (index) => f16ToF32(f32ToF16(values.get(index))), set: values.set };
}
