/** Blockwise codebook quantization on the WASM kernels: tiles, the short last block, NaN. */

import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import type { Codebook, QuantMode } from "../../schemes/codebook.ts";
import type { Arena } from "./arena.ts";
import type { KernelExports } from "./exports.ts";
import type { FloatKernels } from "./float-kernels.ts";
import { pieces } from "./pieces.ts";
import { builtTable4, builtTable8 } from "./tables/installed.ts";

/** The smallest f32 that mode torch divides by (bits 0x006ce3ee). */
const SMALLEST_SCALE = Math.fround(1e-38);
/** −FLT_MAX: where CUDA starts the maximum of a block. */
const CUDA_START = -(2 - 2 ** -23) * 2 ** 127;

/** Codes of whole blocks; arguments as the kernels' without the table. */
type Encode = (
  valuesPtr: number,
  absmaxPtr: number,
  codesPtr: number,
  count: number,
  blockSize: number,
) => void;

export interface Quantization {
  readonly bits: 4 | 8;
  readonly mode: QuantMode;
  readonly input: FloatDtype;
  /** Of `input`, up to a tile of it. */
  readonly encode: Encode;
  /** Of f32 with any absmax. At 4 bits `count` is a multiple of 32. */
  readonly encodeExactly: Encode;
  /** 4 bits: what an odd count is padded with in mode torch: the code of a scaled 0. */
  readonly zeroCode: number;
}

export class BlockQuantizer {
  private readonly arena: Arena;
  private readonly exports: KernelExports;
  private readonly floats: FloatKernels;

  constructor(exports: KernelExports, arena: Arena, floats: FloatKernels) {
    this.exports = exports;
    this.arena = arena;
    this.floats = floats;
  }

  prepare4(codebook: Codebook, mode: QuantMode, input: FloatDtype): Quantization {
    const { exports, floats } = this;
    const { kind, bytes, zeroCode } = builtTable4(codebook, mode);
    const tablePtr = this.arena.table4.install(bytes);
    const bf16 = input === "bfloat16";
    const kernel = {
      sloped: bf16 ? exports.quantizeBf16ToCode4Sloped : exports.quantizeF32ToCode4Sloped,
      mirrored: bf16 ? exports.quantizeBf16ToCode4Mirrored : exports.quantizeF32ToCode4Mirrored,
      exact: bf16 ? exports.quantizeBf16ToCode4Exact : exports.quantizeF32ToCode4Exact,
    }[kind];
    return {
      bits: 4,
      mode,
      input,
      zeroCode,
      encode: (values, absmax, codes, count, blockSize) => {
        const source = input === "float16" ? floats.asF32(input, values, 0, count) : values;
        kernel(source, absmax, tablePtr, codes, count, blockSize);
      },
      encodeExactly: (values, absmax, codes, count, blockSize) => {
        exports.quantizeF32ToCode4Exact(values, absmax, tablePtr, codes, count, blockSize);
      },
    };
  }

  prepare8(codebook: Codebook, mode: QuantMode, input: FloatDtype): Quantization {
    const { exports, floats } = this;
    const { kind, bytes } = builtTable8(codebook, mode);
    const tablePtr = this.arena.table8.install(bytes);
    const kernel =
      kind === "cells" ? exports.quantizeF32ToCode8 : exports.quantizeF32ToCode8Searched;
    return {
      bits: 8,
      mode,
      input,
      zeroCode: 0,
      encode: (values, absmax, codes, count, blockSize) => {
        const source = floats.asF32(input, values, 0, count);
        kernel(source, absmax, tablePtr, codes, count, blockSize);
      },
      encodeExactly: (values, absmax, codes, count, blockSize) => {
        exports.quantizeF32ToCode8Searched(values, absmax, tablePtr, codes, count, blockSize);
      },
    };
  }

  /** @returns the first block with NaN or infinity, or −1 */
  run(
    quantization: Quantization,
    valuesPtr: number,
    codesPtr: number,
    absmaxPtr: number,
    elementCount: number,
    blockSize: number,
  ): number {
    const { bits, input, encode, encodeExactly } = quantization;
    const bytes = floatBytes(input);
    const wholeCount = elementCount - (elementCount % blockSize);
    let firstNonFinite = -1;
    let finite = true;
    for (const piece of pieces(wholeCount, blockSize)) {
      const { at, count, block } = piece;
      const statisticsPtr = absmaxPtr + 4 * block;
      const piecePtr = valuesPtr + at * bytes;
      // The absmax of a block that is larger than a tile is taken with its first piece.
      if (at % blockSize === 0) {
        const covered = Math.max(count, blockSize);
        finite = this.floats.absmax(input, piecePtr, statisticsPtr, covered, blockSize);
        if (!finite) {
          const found = this.settleAbsmax(
            quantization,
            piecePtr,
            statisticsPtr,
            covered,
            blockSize,
          );
          if (firstNonFinite < 0) firstNonFinite = block + found;
        }
      }
      const pieceCodesPtr = codesPtr + (bits === 4 ? at / 2 : at);
      if (finite) encode(piecePtr, statisticsPtr, pieceCodesPtr, count, piece.blockSize);
      else {
        // The fast kernels know only from absmax that a block holds NaN; mode cuda leaves it out.
        const sourcePtr = this.floats.asF32(input, valuesPtr, at, count);
        encodeExactly(sourcePtr, statisticsPtr, pieceCodesPtr, count, piece.blockSize);
      }
    }
    if (wholeCount < elementCount) {
      const block = wholeCount / blockSize;
      const shortIsFinite = this.shortBlock(
        quantization,
        valuesPtr + wholeCount * bytes,
        absmaxPtr + 4 * block,
        codesPtr + (bits === 4 ? wholeCount / 2 : wholeCount),
        elementCount - wholeCount,
      );
      if (!shortIsFinite && firstNonFinite < 0) firstNonFinite = block;
    }
    return firstNonFinite;
  }

  /** Index of the first non-finite block; in mode cuda, NaN is then left out of the maxima. */
  private settleAbsmax(
    { mode, input }: Quantization,
    valuesPtr: number,
    absmaxPtr: number,
    count: number,
    blockSize: number,
  ): number {
    const absmax = this.arena.floats(absmaxPtr, count / blockSize);
    const first = absmax.findIndex((largest) => !Number.isFinite(largest));
    if (mode === "cuda") {
      absmax.forEach((largest, block) => {
        if (!Number.isNaN(largest)) return;
        const blockPtr = valuesPtr + block * blockSize * floatBytes(input);
        absmax[block] = this.floats.absmaxWithoutNan(input, blockPtr, blockSize, CUDA_START);
      });
    }
    return first;
  }

  /**
   * The last block when it is short. Mode torch divides by its absmax instead of multiplying, and
   * stores the divisor; mode cuda treats it like the others.
   *
   * @returns whether all its values are finite
   */
  private shortBlock(
    quantization: Quantization,
    valuesPtr: number,
    absmaxPtr: number,
    codesPtr: number,
    count: number,
  ): boolean {
    const { bits, mode, input, encodeExactly, zeroCode } = quantization;
    const { arena, floats } = this;
    const finite = floats.absmax(input, valuesPtr, absmaxPtr, count, count);
    const absmax = arena.floats(absmaxPtr, 1);
    if (mode === "torch") {
      const divisor = Math.max(absmax[0] as number, SMALLEST_SCALE);
      if (finite) absmax[0] = divisor;
      arena.floats(arena.scalarPtr, 1)[0] = 1;
    } else if (!finite) {
      absmax[0] = floats.absmaxWithoutNan(input, valuesPtr, count, 0);
    }
    const divisor = absmax[0] as number;

    for (const { at, count: run } of pieces(count, count)) {
      const tile = arena.floats(arena.tilePtr, Math.ceil(run / 32) * 32);
      tile.fill(0, run);
      const sourcePtr = floats.asF32(input, valuesPtr, at, run);
      if (sourcePtr !== arena.tilePtr) tile.set(arena.floats(sourcePtr, run));
      if (mode === "torch") for (let i = 0; i < run; i++) tile[i] = (tile[i] as number) / divisor;
      const scalePtr = mode === "torch" ? arena.scalarPtr : absmaxPtr;
      if (bits === 8) {
        encodeExactly(arena.tilePtr, scalePtr, codesPtr + at, run, run);
        continue;
      }
      encodeExactly(arena.tilePtr, scalePtr, arena.secondTilePtr, tile.length, tile.length);
      arena.copy(codesPtr + at / 2, arena.secondTilePtr, Math.ceil(run / 2));
    }
    if (bits === 4 && count % 2 === 1 && mode === "torch") {
      const last = arena.bytes(codesPtr + (count >> 1), 1);
      last[0] = ((last[0] as number) & 0xf0) | zeroCode;
    }
    return finite;
  }
}
