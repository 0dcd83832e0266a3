/** What depends on the float dtype alone: which kernel widens, narrows or measures it. */

import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import { type Arena, TILE_VALUES } from "./arena.ts";
import type { KernelExports } from "./exports.ts";

/** From these bits on an absmax is infinite or NaN. */
export const INFINITY_BITS = 0x7f800000;
const NAN_BITS = 0x7fc00000;

export class FloatKernels {
  private readonly exports: KernelExports;
  private readonly arena: Arena;

  constructor(exports: KernelExports, arena: Arena) {
    this.exports = exports;
    this.arena = arena;
  }

  /** absmax of every block; whether all of them are finite. */
  absmax(
    input: FloatDtype,
    valuesPtr: number,
    absmaxPtr: number,
    count: number,
    blockSize: number,
  ): boolean {
    const { exports } = this;
    const kernel =
      input === "float32"
        ? exports.absmaxF32
        : input === "float16"
          ? exports.absmaxF16
          : exports.absmaxBf16;
    return kernel(valuesPtr, absmaxPtr, count, blockSize) >>> 0 < INFINITY_BITS;
  }

  widen(input: "float16" | "bfloat16", sourcePtr: number, targetPtr: number, count: number): void {
    if (input === "float16") this.exports.widenF16ToF32(sourcePtr, targetPtr, count);
    else this.exports.widenBf16ToF32(sourcePtr, targetPtr, count);
  }

  narrow(
    output: "float16" | "bfloat16",
    sourcePtr: number,
    targetPtr: number,
    count: number,
  ): void {
    if (output === "float16") this.exports.narrowF32ToF16(sourcePtr, targetPtr, count);
    else this.exports.narrowF32ToBf16(sourcePtr, targetPtr, count);
  }

  /** Address of `count` values as f32: their own, or a tile that they are widened into. */
  asF32(input: FloatDtype, valuesPtr: number, at: number, count: number): number {
    const ptr = valuesPtr + at * floatBytes(input);
    if (input === "float32") return ptr;
    this.widen(input, ptr, this.arena.tilePtr, count);
    return this.arena.tilePtr;
  }

  convert(
    from: FloatDtype,
    to: FloatDtype,
    sourcePtr: number,
    targetPtr: number,
    count: number,
  ): void {
    if (from === to) this.arena.copy(targetPtr, sourcePtr, count * floatBytes(from));
    else if (from === "float32") {
      if (to !== "float32") this.narrow(to, sourcePtr, targetPtr, count);
    } else if (to === "float32") this.widen(from, sourcePtr, targetPtr, count);
    else {
      for (let at = 0; at < count; at += TILE_VALUES) {
        const run = Math.min(TILE_VALUES, count - at);
        const tile = this.asF32(from, sourcePtr, at, run);
        this.narrow(to, tile, targetPtr + 2 * at, run);
      }
    }
  }

  /**
   * max |x| with NaN left out, as CUDA's fmaxf has it from `start` on: −FLT_MAX in a full block,
   * 0 in a short one.
   */
  absmaxWithoutNan(input: FloatDtype, valuesPtr: number, count: number, start: number): number {
    let largest = start;
    for (let at = 0; at < count; at += TILE_VALUES) {
      const run = Math.min(TILE_VALUES, count - at);
      for (const value of this.arena.floats(this.asF32(input, valuesPtr, at, run), run)) {
        if (Math.abs(value) > largest) largest = Math.abs(value);
      }
    }
    return largest;
  }

  /** Gives every NaN the same bits: which ones a product makes is up to the processor. */
  settleNans(output: FloatDtype, valuesPtr: number, count: number): void {
    if (output === "float32") {
      const words = this.arena.words(valuesPtr, count);
      words.forEach((word, i) => {
        if ((word & 0x7fffffff) > INFINITY_BITS) words[i] = NAN_BITS;
      });
      return;
    }
    const [infinity, nan] = output === "float16" ? [0x7c00, 0x7e00] : [0x7f80, 0x7fc0];
    const halves = this.arena.halves(valuesPtr, count);
    halves.forEach((half, i) => {
      if ((half & 0x7fff) > infinity) halves[i] = nan;
    });
  }
}
