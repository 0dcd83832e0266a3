/** Levels of a small float for assembly/kernels/float/dequantize-float.ts and dequantize-float4.ts. */

import { type FloatFormat, floatLevels } from "../../../schemes/float-format.ts";
import { TableWriter } from "./table-writer.ts";

/** Where the table for 4-bit codes begins, behind f32[256]. */
export const FLOAT4_TABLE = 1024;
export const FLOAT_LEVELS_BYTES = FLOAT4_TABLE + 48;

/** Levels of 4-bit codes are repeated, so that the high nibble of a byte does not count. */
export function floatLevelsTable(format: FloatFormat): Uint8Array {
  const levels = floatLevels(format);
  const table = new TableWriter(FLOAT_LEVELS_BYTES);
  for (let at = 0; at < 256; at += levels.length) table.f32(4 * at, levels);
  if (format.bits === 4) {
    const bytes = new Uint8Array(levels.slice().buffer);
    const byteOf = (plane: number) => bytes.filter((_, i) => i % 4 === plane);
    table.u8(FLOAT4_TABLE, byteOf(2));
    table.u8(FLOAT4_TABLE + 16, byteOf(3));
    table.u8(FLOAT4_TABLE + 32, Array(16).fill(0x0f));
  }
  return table.bytes;
}
