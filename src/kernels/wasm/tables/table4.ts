/** The 4-bit tables of assembly/lanes/table4.ts and levels4.ts, built from a codebook. */

import type { Codebook, QuantMode } from "../../../schemes/codebook.ts";
import { strictDecision } from "./strict.ts";
import { TableWriter } from "./table-writer.ts";

/** Which quantization kernel a table is for. */
export type Table4Kind = "sloped" | "mirrored" | "exact";

export interface Table4 {
  readonly kind: Table4Kind;
  readonly bytes: Uint8Array;
  /** The code of a scaled value of exactly 0. */
  readonly zeroCode: number;
}

export const TABLE4_BYTES = 336;
export const LEVELS4_BYTES = 144 + 256 * 8 + 16;

/** Blocks whose absmax is in [2^-100, 2^end) are decided by keys; others by comparisons. */
const FAST_FROM = 2 ** -100;

/**
 * The sloped map: key = round(scaled · 21520 + 24600), cells of 4096 key units with the slope
 * doubled over 19200 units from key 16384 on. Found by search for NF4 (one threshold a cell).
 */
const SLOPED = { units: 21520, bias: 24600, knee: 64, span: 75, absmaxEnd: 2 ** 100 };

/** How near a threshold may be to where keys round: the multiplications err by less (0.004). */
const ROUNDING_MARGIN = 0.01;

/**
 * The mirrored map: key = |round(scaled · 2^15)|, of the exact scaled value; cell = (key + 7537) >> 12,
 * at most 7. The bias puts cell borders at |scaled| = 0.02 + 0.125 k, between FP4's thresholds.
 * Below absmax 2^16 no bfloat16 but zero scales to zero.
 */
const MIRRORED = { rounder: 384, bias: 7537, lastCell: 7, absmaxEnd: 2 ** 16 };

export function quantizeTable4(codebook: Codebook, mode: QuantMode): Table4 {
  const { thresholds, order, nanCode } = strictDecision(codebook, mode);
  const table = new TableWriter(TABLE4_BYTES);
  table.f32(0, [...thresholds, Infinity]);
  table.u8(64, order);
  table.u8(80, Array(16).fill(nanCode));
  table.f32(96, [mode === "torch" ? 1e-38 : 0]);
  table.u32(128, Array(4).fill(0x0000ffff));
  table.u32(144, Array(4).fill(0xffff0000));
  table.u8(224, Array(16).fill(0x0f));
  table.u16(240, Array(8).fill(0x1001));

  const zeroCode = order[thresholds.filter((threshold) => threshold < 0).length] as number;

  const sloped = slopedKeys(thresholds, order);
  if (sloped !== undefined) {
    table.f32(100, [SLOPED.units]);
    table.absmaxRange(104, FAST_FROM, SLOPED.absmaxEnd);
    table.f32(112, Array(4).fill(2 ** 23 + SLOPED.bias));
    writeCellKeys(table, sloped);
    table.u8(192, Array(16).fill(SLOPED.knee));
    table.u8(208, Array(16).fill(SLOPED.span));
    return { kind: "sloped", bytes: table.bytes, zeroCode };
  }

  const mirrored = mirroredKeys(thresholds);
  if (mirrored !== undefined) {
    // Zero is below the middle threshold in torch mode and above it in cuda mode. The kernel tells
    // `> 0` from the rest, so where zero belongs to the upper half values are negated first.
    const zeroIsUpper = (thresholds[7] as number) < 0;
    const lower = Array.from(order.subarray(0, 8)).reverse();
    const upper = Array.from(order.subarray(8));
    table.f32(100, [zeroIsUpper ? -1 : 1]);
    table.absmaxRange(104, FAST_FROM, MIRRORED.absmaxEnd);
    table.f32(112, Array(4).fill(MIRRORED.rounder));
    writeCellKeys(table, mirrored);
    table.u16(256, Array(8).fill(MIRRORED.bias));
    table.u8(272, Array(16).fill(MIRRORED.lastCell));
    table.u8(288, Array(16).fill(8));
    table.u16(304, Array(8).fill(zeroIsUpper ? 0x8000 : 0));
    table.u8(320, zeroIsUpper ? [...upper, ...lower] : [...lower, ...upper]);
    return { kind: "mirrored", bytes: table.bytes, zeroCode };
  }
  return { kind: "exact", bytes: table.bytes, zeroCode };
}

export function levelsTable4({ levels }: Codebook): Uint8Array {
  const table = new TableWriter(LEVELS4_BYTES);
  const bytes = new Uint8Array(levels.slice().buffer);
  table.f32(0, levels);
  for (let plane = 0; plane < 4; plane++) {
    table.u8(
      64 + 16 * plane,
      bytes.filter((_, i) => i % 4 === plane),
    );
  }
  table.u8(128, Array(16).fill(0x0f));
  for (let byte = 0; byte < 256; byte++) {
    table.f32(144 + 8 * byte, [levels[byte >> 4] as number, levels[byte & 15] as number]);
  }
  // Halves are normal from 2^-14 to 65504; the margin covers the rounding of these quotients.
  const magnitudes = Array.from(levels, Math.abs).filter((level) => level > 0);
  const from = (2 ** -14 / Math.min(...magnitudes)) * (1 + 2 ** -20);
  const end = (65504 / Math.max(...magnitudes)) * (1 - 2 ** -20);
  if (from < end) table.absmaxRange(2192, from, end);
  return table.bytes;
}

/** Threshold keys of cells 1 to 15 (cell 0 has none), or undefined where the map does not fit. */
function slopedKeys(thresholds: Float32Array, order: Uint8Array): number[] | undefined {
  if (order.some((code, rank) => code !== rank)) return undefined;
  const keys = [0];
  for (const [i, threshold] of thresholds.entries()) {
    const exact = threshold * SLOPED.units + SLOPED.bias;
    const key = Math.round(exact);
    const high = key >> 8;
    const cell = (high + Math.min(Math.max(high - SLOPED.knee, 0), SLOPED.span)) >> 4;
    if (!(Math.abs(exact - key) < 0.5 - ROUNDING_MARGIN) || cell !== i + 1) return undefined;
    keys.push(key);
  }
  return keys;
}

/** Threshold keys of cells 1 to 7 for magnitudes, or undefined where the map does not fit. */
function mirroredKeys(thresholds: Float32Array): number[] | undefined {
  if (!(Math.abs(thresholds[7] as number) <= 2 ** -149)) return undefined;
  const keys = [0];
  for (let i = 0; i < 7; i++) {
    const key = mirroredKey(thresholds[8 + i] as number);
    const cell = Math.min((key + MIRRORED.bias) >> 12, MIRRORED.lastCell);
    if (key !== mirroredKey(-(thresholds[6 - i] as number)) || cell !== i + 1) return undefined;
    keys.push(key);
  }
  return keys;
}

/** The key of a value in (0, 1): the same f32 addition that the kernel does. */
function mirroredKey(value: number): number {
  return (Math.fround(value + MIRRORED.rounder) - MIRRORED.rounder) * 2 ** 15;
}

function writeCellKeys(table: TableWriter, keys: readonly number[]): void {
  table.u8(
    160,
    keys.map((key) => key & 0xff),
  );
  table.u8(
    176,
    keys.map((key) => key >> 8),
  );
}
