/** Casts to and from small floats on the WASM kernels. */

import type { FloatFormat } from "../../schemes/float-format.ts";
import type { ScaleRuns } from "../kernel-set.ts";
import type { Arena } from "./arena.ts";
import type { KernelExports } from "./exports.ts";
import { kernelRuns } from "./scale-runs.ts";
import { builtFloatLevels } from "./tables/installed.ts";

export class FloatCasts {
  private readonly exports: KernelExports;
  private readonly arena: Arena;

  constructor(exports: KernelExports, arena: Arena) {
    this.exports = exports;
    this.arena = arena;
  }

  quantize(
    { bits, fractionBits, exponentBias, largest, nanCode }: FloatFormat,
    valuesPtr: number,
    scalePtr: number,
    codesPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): void {
    if (elementCount === 0) return;
    const { exports } = this;
    const places = [valuesPtr, scalePtr, codesPtr, elementCount] as const;
    const smallest = 2 ** (1 - exponentBias);
    const format = [largest, smallest, fractionBits, 1 << (bits - 1), nanCode] as const;
    const { each, args } = kernelRuns(elementCount, runs);
    if (each === "run") exports.quantizeFloatRuns(...places, ...args, ...format);
    else exports.quantizeFloatColumns(...places, ...args, ...format);
  }

  dequantize(
    format: FloatFormat,
    codesPtr: number,
    scalePtr: number,
    valuesPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): void {
    if (elementCount === 0) return;
    const { exports } = this;
    const levelsPtr = this.arena.floatLevels.install(builtFloatLevels(format));
    const places = [codesPtr, scalePtr, levelsPtr, valuesPtr, elementCount] as const;
    const { each, args } = kernelRuns(elementCount, runs);
    if (each === "run") exports.dequantizeFloatRuns(...places, ...args);
    else exports.dequantizeFloatColumns(...places, ...args);
  }
}
