/** Blockwise codebook quantization on the WASM kernels: runs, the short last block, NaN. */

import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import type { Codebook, QuantMode } from "../../schemes/codebook.ts";
import type { Arena } from "./arena.ts";
import type { BlockKernel, KernelExports } from "./exports.ts";
import type { FloatKernels } from "./float-kernels.ts";
import { pieces } from "./pieces.ts";
import { builtTable4, builtTable8 } from "./tables/installed.ts";

/**
 * Values that are measured before they are encoded: 128 KB of f32 stay in L2 for the second pass,
 * and are long enough for the hardware to fetch ahead in the first. 4096 were 15 % slower out of
 * cache (bench/notes.md).
 */
const RUN_VALUES = 32768;

/** The smallest f32 that mode torch divides by (bits 0x006ce3ee). */
const SMALLEST_SCALE = Math.fround(1e-38);
/** −FLT_MAX: where CUDA starts the maximum of a block. */
const CUDA_START = -(2 - 2 ** -23) * 2 ** 127;

/** What one codebook, mode and dtype need. */
interface Plan {
  readonly bits: 4 | 8;
  readonly mode: QuantMode;
  readonly input: FloatDtype;
  readonly tablePtr: number;
  /** Takes `input` itself, or f32 that the values are widened to. */
  readonly kernel: BlockKernel;
  readonly kernelInput: FloatDtype;
  /** Takes f32 of any absmax, NaN included. */
  readonly exactKernel: BlockKernel;
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

  plan4(codebook: Codebook, mode: QuantMode, input: FloatDtype): Plan {
    const { exports } = this;
    const { kind, bytes, zeroCode } = builtTable4(codebook, mode);
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
      tablePtr: this.arena.table4.install(bytes),
      kernel,
      kernelInput: bf16 ? "bfloat16" : "float32",
      exactKernel: exports.quantizeF32ToCode4Exact,
      zeroCode,
    };
  }

  plan8(codebook: Codebook, mode: QuantMode, input: FloatDtype): Plan {
    const { exports } = this;
    const { kind, bytes } = builtTable8(codebook, mode);
    const searched = exports.quantizeF32ToCode8Searched;
    return {
      bits: 8,
      mode,
      input,
      tablePtr: this.arena.table8.install(bytes),
      kernel: kind === "cells" ? exports.quantizeF32ToCode8 : searched,
      kernelInput: "float32",
      exactKernel: searched,
      zeroCode: 0,
    };
  }

  /** @returns the first block with NaN or infinity, or −1 */
  run(
    plan: Plan,
    valuesPtr: number,
    codesPtr: number,
    absmaxPtr: number,
    elementCount: number,
    blockSize: number,
  ): number {
    const bytes = floatBytes(plan.input);
    const wholeCount = elementCount - (elementCount % blockSize);
    const step = Math.max(blockSize, RUN_VALUES - (RUN_VALUES % blockSize));
    let firstNonFinite = -1;
    for (let at = 0; at < wholeCount; at += step) {
      const count = Math.min(step, wholeCount - at);
      const block = at / blockSize;
      const runPtr = valuesPtr + at * bytes;
      const statisticsPtr = absmaxPtr + 4 * block;
      const finite = this.floats.absmax(plan.input, runPtr, statisticsPtr, count, blockSize);
      if (!finite) {
        const found = this.settleAbsmax(plan, runPtr, statisticsPtr, count, blockSize);
        if (firstNonFinite < 0) firstNonFinite = block + found;
      }
      // The fast kernels would learn of NaN from absmax alone, and mode cuda leaves it out there.
      this.encode(
        plan,
        finite,
        runPtr,
        statisticsPtr,
        codesPtr + codeBytes(plan, at),
        count,
        blockSize,
      );
    }
    if (wholeCount < elementCount) {
      const block = wholeCount / blockSize;
      const finite = this.shortBlock(
        plan,
        valuesPtr + wholeCount * bytes,
        absmaxPtr + 4 * block,
        codesPtr + codeBytes(plan, wholeCount),
        elementCount - wholeCount,
      );
      if (!finite && firstNonFinite < 0) firstNonFinite = block;
    }
    return firstNonFinite;
  }

  /** Codes of whole blocks, whose absmax is known; widened tile by tile where the kernel asks. */
  private encode(
    plan: Plan,
    finite: boolean,
    valuesPtr: number,
    absmaxPtr: number,
    codesPtr: number,
    elementCount: number,
    blockSize: number,
  ): void {
    const { input, tablePtr, kernel, kernelInput, exactKernel } = plan;
    if (finite && input === kernelInput) {
      kernel(valuesPtr, absmaxPtr, tablePtr, codesPtr, elementCount, blockSize);
      return;
    }
    const widened = finite ? kernel : exactKernel;
    for (const { at, count, block, blockSize: size } of pieces(elementCount, blockSize)) {
      const sourcePtr = this.floats.asF32(input, valuesPtr, at, count);
      const targetPtr = codesPtr + codeBytes(plan, at);
      widened(sourcePtr, absmaxPtr + 4 * block, tablePtr, targetPtr, count, size);
    }
  }

  /** Index of the first non-finite block; in mode cuda, NaN is then left out of the maxima. */
  private settleAbsmax(
    { mode, input }: Plan,
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
    plan: Plan,
    valuesPtr: number,
    absmaxPtr: number,
    codesPtr: number,
    count: number,
  ): boolean {
    const { bits, mode, input, tablePtr, exactKernel, zeroCode } = plan;
    const { arena, floats } = this;
    const finite = floats.absmax(input, valuesPtr, absmaxPtr, count, count);
    const absmax = arena.floats(absmaxPtr, 1);
    if (mode === "torch") {
      if (finite) absmax[0] = Math.max(absmax[0] as number, SMALLEST_SCALE);
      arena.floats(arena.scalarPtr, 1)[0] = 1;
    } else if (!finite) {
      absmax[0] = floats.absmaxWithoutNan(input, valuesPtr, count, 0);
    }
    const divisor = absmax[0] as number;
    const scalePtr = mode === "torch" ? arena.scalarPtr : absmaxPtr;

    for (const { at, count: run } of pieces(count, count)) {
      // The 4-bit kernel takes 32 values at a time: zeros fill the last group.
      const tile = arena.floats(arena.tilePtr, Math.ceil(run / 32) * 32);
      const sourcePtr = floats.asF32(input, valuesPtr, at, run);
      if (sourcePtr !== arena.tilePtr) tile.set(arena.floats(sourcePtr, run));
      tile.fill(0, run);
      if (mode === "torch") for (let i = 0; i < run; i++) tile[i] = (tile[i] as number) / divisor;
      if (bits === 8) {
        exactKernel(arena.tilePtr, scalePtr, tablePtr, codesPtr + at, run, run);
        continue;
      }
      const spare = arena.secondTilePtr;
      exactKernel(arena.tilePtr, scalePtr, tablePtr, spare, tile.length, tile.length);
      arena.copy(codesPtr + at / 2, spare, Math.ceil(run / 2));
    }
    if (bits === 4 && count % 2 === 1 && mode === "torch") {
      const last = arena.bytes(codesPtr + (count >> 1), 1);
      last[0] = ((last[0] as number) & 0xf0) | zeroCode;
    }
    return finite;
  }
}

/** Bytes of `count` codes, an even count at 4 bits. */
function codeBytes({ bits }: Plan, count: number): number {
  return bits === 4 ? count / 2 : count;
}
