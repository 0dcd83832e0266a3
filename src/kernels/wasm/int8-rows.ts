/** LLM.int8 on the WASM kernels: rows become float16 in a tile, then codes. */

import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import { type Arena, TILE_VALUES } from "./arena.ts";
import type { KernelExports } from "./exports.ts";
import { type FloatKernels, INFINITY_BITS } from "./float-kernels.ts";
import { pieces } from "./pieces.ts";

export class Int8Rows {
  private readonly arena: Arena;
  private readonly exports: KernelExports;
  private readonly floats: FloatKernels;

  constructor(exports: KernelExports, arena: Arena, floats: FloatKernels) {
    this.exports = exports;
    this.arena = arena;
    this.floats = floats;
  }

  /** @returns the first row with NaN or infinity as float16, or −1 */
  quantize(
    input: FloatDtype,
    valuesPtr: number,
    codesPtr: number,
    scbPtr: number,
    rowCount: number,
    columnCount: number,
  ): number {
    const { arena } = this;
    const elementCount = rowCount * columnCount;
    if (columnCount === 0) arena.floats(scbPtr, rowCount).fill(0);

    // A row that is cut into pieces needs its maximum before its first code.
    const isCut = columnCount > TILE_VALUES;
    let finite = true;
    for (const { at, count, block, blockSize } of pieces(elementCount, columnCount)) {
      const rowPtr = scbPtr + 4 * block;
      if (isCut && at % columnCount === 0) {
        finite = this.largestOfRow(input, valuesPtr, at, columnCount, rowPtr) && finite;
      }
      const halvesPtr = this.asF16(input, valuesPtr, at, count);
      if (!isCut) {
        finite = this.floats.absmax("float16", halvesPtr, rowPtr, count, columnCount) && finite;
      }
      const scb = arena.floats(rowPtr, count / blockSize);
      for (let row = 0; row < scb.length; row++) {
        const codesPerUnit = Math.fround(127 * Math.fround(1 / (scb[row] as number)));
        const done = row * blockSize;
        this.exports.quantizeF16ToInt8(
          halvesPtr + 2 * done,
          codesPtr + at + done,
          blockSize,
          codesPerUnit,
        );
      }
    }
    if (finite) return -1;
    return arena.floats(scbPtr, rowCount).findIndex((largest) => !Number.isFinite(largest));
  }

  dequantize(
    output: FloatDtype,
    codesPtr: number,
    scbPtr: number,
    valuesPtr: number,
    rowCount: number,
    columnCount: number,
  ): void {
    const { arena, exports, floats } = this;
    for (const { at, count, block, blockSize } of pieces(rowCount * columnCount, columnCount)) {
      const scb = arena.floats(scbPtr + 4 * block, count / blockSize);
      const outputPtr = valuesPtr + at * floatBytes(output);
      const targetPtr = output === "float32" ? outputPtr : arena.tilePtr;
      for (let row = 0; row < scb.length; row++) {
        const done = row * blockSize;
        exports.dequantizeInt8ToF32(
          codesPtr + at + done,
          targetPtr + 4 * done,
          blockSize,
          scb[row] as number,
        );
      }
      if (output !== "float32") floats.narrow(output, targetPtr, outputPtr, count);
      if (!scb.every(Number.isFinite)) floats.settleNans(output, outputPtr, count);
    }
  }

  /** Address of values as float16: their own, or a tile that they are rounded into. */
  private asF16(input: FloatDtype, valuesPtr: number, at: number, count: number): number {
    if (input === "float16") return valuesPtr + 2 * at;
    const floatsPtr = this.floats.asF32(input, valuesPtr, at, count);
    this.floats.narrow("float16", floatsPtr, this.arena.secondTilePtr, count);
    return this.arena.secondTilePtr;
  }

  /** Stores the maximum of a row larger than a tile; whether it is finite. */
  private largestOfRow(
    input: FloatDtype,
    valuesPtr: number,
    start: number,
    columnCount: number,
    targetPtr: number,
  ): boolean {
    // As bits, so that NaN is the largest and stays the NaN that the kernel stored.
    let largest = 0;
    for (const { at, count } of pieces(columnCount, columnCount)) {
      const halvesPtr = this.asF16(input, valuesPtr, start + at, count);
      this.floats.absmax("float16", halvesPtr, targetPtr, count, count);
      largest = Math.max(largest, this.arena.words(targetPtr, 1)[0] as number);
    }
    this.arena.words(targetPtr, 1)[0] = largest;
    return largest < INFINITY_BITS;
  }
}
