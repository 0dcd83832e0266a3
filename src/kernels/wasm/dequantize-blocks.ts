/** Blockwise codebook dequantization on the WASM kernels: tiles, odd ends, NaN. */

import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import type { Codebook } from "../../schemes/codebook.ts";
import type { Arena } from "./arena.ts";
import type { KernelExports } from "./exports.ts";
import { type FloatKernels, INFINITY_BITS } from "./float-kernels.ts";
import { pieces } from "./pieces.ts";
import { builtLevels4, builtLevels8 } from "./tables/installed.ts";

export class BlockDequantizer {
  private readonly arena: Arena;
  private readonly exports: KernelExports;
  private readonly floats: FloatKernels;

  constructor(exports: KernelExports, arena: Arena, floats: FloatKernels) {
    this.exports = exports;
    this.arena = arena;
    this.floats = floats;
  }

  run4(
    codebook: Codebook,
    output: FloatDtype,
    codesPtr: number,
    absmaxPtr: number,
    valuesPtr: number,
    elementCount: number,
    blockSize: number,
  ): void {
    const { arena, exports } = this;
    const tablePtr = arena.levels4.install(builtLevels4(codebook));
    const kernel = {
      float32: exports.dequantizeCode4ToF32,
      float16: exports.dequantizeCode4ToF16,
      bfloat16: exports.dequantizeCode4ToBf16,
    }[output];
    // Kernels write whole groups of 32; what is left of the last block takes a detour.
    const groupedCount = elementCount - (elementCount % 32);
    let largest = kernel(codesPtr, absmaxPtr, tablePtr, valuesPtr, groupedCount, blockSize) >>> 0;
    const rest = elementCount - groupedCount;
    if (rest > 0) {
      const lastPtr = absmaxPtr + 4 * Math.floor(groupedCount / blockSize);
      arena.copy(arena.secondTilePtr, codesPtr + groupedCount / 2, Math.ceil(rest / 2));
      const bits = kernel(arena.secondTilePtr, lastPtr, tablePtr, arena.tilePtr, 32, 32) >>> 0;
      largest = Math.max(largest, bits);
      const bytes = floatBytes(output);
      arena.copy(valuesPtr + groupedCount * bytes, arena.tilePtr, rest * bytes);
    }
    if (largest >= INFINITY_BITS) this.floats.settleNans(output, valuesPtr, elementCount);
  }

  run8(
    codebook: Codebook,
    output: FloatDtype,
    codesPtr: number,
    absmaxPtr: number,
    valuesPtr: number,
    elementCount: number,
    blockSize: number,
  ): void {
    const { arena, exports, floats } = this;
    const levelsPtr = arena.levels8.install(builtLevels8(codebook));
    const kernel = exports.dequantizeCode8ToF32;
    let largest: number;
    if (output === "float32") {
      largest = kernel(codesPtr, absmaxPtr, levelsPtr, valuesPtr, elementCount, blockSize) >>> 0;
    } else {
      largest = 0;
      for (const { at, count, block, blockSize: size } of pieces(elementCount, blockSize)) {
        const statisticsPtr = absmaxPtr + 4 * block;
        const bits = kernel(codesPtr + at, statisticsPtr, levelsPtr, arena.tilePtr, count, size);
        largest = Math.max(largest, bits >>> 0);
        floats.narrow(output, arena.tilePtr, valuesPtr + 2 * at, count);
      }
    }
    if (largest >= INFINITY_BITS) floats.settleNans(output, valuesPtr, elementCount);
  }
}
