/** The 8-bit table of assembly/lanes/table8.ts, built from an ascending map. */

import { bitsToF32 } from "../../../foundation/half.ts";
import type { Codebook, QuantMode } from "../../../schemes/codebook.ts";
import { strictDecision } from "./strict.ts";
import { TableWriter } from "./table-writer.ts";

export interface Table8 {
  /** `cells`: at most one threshold in each cell, so one comparison decides. */
  readonly kind: "cells" | "searched";
  readonly bytes: Uint8Array;
}

export const TABLE8_BYTES = 9296;

/**
 * Cells are the upper 16 bits of an f32 (sign, exponent, 7 fraction bits): cell 0 takes all
 * magnitudes below 0x32810000 (1.5e-8), the last one those from 1 on.
 */
const FIRST_CELL = 0x3280;
const LAST_CELL = 0xd00;
const NEGATIVE = 0x1000;

export function quantizeTable8(codebook: Codebook, mode: QuantMode): Table8 {
  const { thresholds, nanCode } = strictDecision(codebook, mode);
  const table = new TableWriter(TABLE8_BYTES);
  table.f32(0, [...thresholds, Infinity]);
  const fits = writeCells(table, thresholds);
  table.f32(9216, [mode === "torch" ? 1e-38 : 0]);
  table.u32(9220, [nanCode]);
  // torch never divides by less than 1e-38; cuda does, and 0 · ∞ is NaN.
  table.absmaxRange(9224, mode === "torch" ? 0 : 2 ** -126, Infinity);
  table.u16(9232, Array(8).fill(0x7fff));
  table.u16(9248, Array(8).fill(FIRST_CELL));
  table.u16(9264, Array(8).fill(LAST_CELL));
  table.u16(9280, Array(8).fill(NEGATIVE));
  return { kind: fits ? "cells" : "searched", bytes: table.bytes };
}

/** Whether every cell holds at most one threshold. */
function writeCells(table: TableWriter, thresholds: Float32Array): boolean {
  let fits = true;
  for (let cell = 0; cell <= LAST_CELL; cell++) {
    const least = cell === 0 ? 0 : bitsToF32((cell + FIRST_CELL) * 0x10000);
    const most = cell === LAST_CELL ? Infinity : bitsToF32((cell + FIRST_CELL) * 0x10000 + 0xffff);
    for (const [at, smallest, largest] of [
      [cell, least, most],
      [cell | NEGATIVE, -most, -least],
    ] as const) {
      const base = countBelow(thresholds, smallest);
      table.u8(1024 + at, [base]);
      if (countBelow(thresholds, largest) > base + 1) fits = false;
    }
  }
  return fits;
}

/** Thresholds strictly below `value`. */
function countBelow(thresholds: Float32Array, value: number): number {
  let count = 0;
  let end = thresholds.length;
  while (count < end) {
    const middle = (count + end) >> 1;
    if (value > (thresholds[middle] as number)) count = middle + 1;
    else end = middle;
  }
  return count;
}
