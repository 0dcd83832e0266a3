/** Casts to and from small floats on the WASM kernels. */

import type { FloatFormat } from "../../schemes/float-format.ts";
import type { ScaleRuns } from "../kernel-set.ts";
import type { Arena } from "./arena.ts";
import type { KernelExports } from "./exports.ts";
import { type FloatKernels, INFINITY_BITS } from "./float-kernels.ts";
import { kernelRuns } from "./scale-runs.ts";
import { FLOAT4_TABLE } from "./tables/float-levels.ts";
import { builtFloatLevels } from "./tables/installed.ts";

export class FloatCasts {
  private readonly exports: KernelExports;
  private readonly arena: Arena;
  private readonly floats: FloatKernels;

  constructor(exports: KernelExports, arena: Arena, floats: FloatKernels) {
    this.exports = exports;
    this.arena = arena;
    this.floats = floats;
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
    const { exports, arena, floats } = this;
    const levelsPtr = arena.floatLevels.install(builtFloatLevels(format));
    const { each, args } = kernelRuns(elementCount, runs);
    const tablePtr = each === "run" && format.bits === 4 ? levelsPtr + FLOAT4_TABLE : levelsPtr;
    const places = [codesPtr, scalePtr, tablePtr, valuesPtr, elementCount] as const;
    if (each === "value") {
      exports.dequantizeFloatColumns(...places, ...args);
    } else if (format.bits === 8) {
      exports.dequantizeFloatRuns(...places, ...args);
    } else {
      const largest = exports.dequantizeFloat4Runs(...places, ...args) >>> 0;
      if (largest >= INFINITY_BITS) floats.settleNans("float32", valuesPtr, elementCount);
    }
  }
}
