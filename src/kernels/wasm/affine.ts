/** Affine quantization on the WASM kernels. */

import type { AffineFormat } from "../../schemes/affine.ts";
import type { ScaleRuns } from "../kernel-set.ts";
import type { KernelExports } from "./exports.ts";
import { type FloatKernels, INFINITY_BITS } from "./float-kernels.ts";
import { kernelRuns } from "./scale-runs.ts";

export class AffineKernels {
  private readonly exports: KernelExports;
  private readonly floats: FloatKernels;

  constructor(exports: KernelExports, floats: FloatKernels) {
    this.exports = exports;
    this.floats = floats;
  }

  /** @returns whether every value is finite */
  range(
    valuesPtr: number,
    minPtr: number,
    maxPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): boolean {
    if (elementCount === 0) return true;
    const { exports } = this;
    const places = [valuesPtr, minPtr, maxPtr, elementCount] as const;
    const { each, args } = kernelRuns(elementCount, runs);
    const finite =
      each === "run"
        ? exports.rangeRuns(...places, ...args)
        : exports.rangeColumns(...places, ...args);
    return finite === 1;
  }

  parameters(
    { lowest, highest }: AffineFormat,
    symmetric: boolean,
    minPtr: number,
    maxPtr: number,
    scalePtr: number,
    zeroPointPtr: number,
    scaleCount: number,
  ): void {
    const { exports } = this;
    if (symmetric) exports.symmetricScales(minPtr, maxPtr, scalePtr, scaleCount, highest);
    else {
      const places = [minPtr, maxPtr, scalePtr, zeroPointPtr] as const;
      exports.affineParameters(...places, scaleCount, lowest, highest);
    }
  }

  quantize(
    { lowest, highest }: AffineFormat,
    valuesPtr: number,
    scalePtr: number,
    zeroPointPtr: number,
    codesPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): void {
    if (elementCount === 0) return;
    const { exports } = this;
    const places = [valuesPtr, scalePtr, zeroPointPtr, codesPtr, elementCount] as const;
    const { each, args } = kernelRuns(elementCount, runs);
    if (each === "run") exports.quantizeAffineRuns(...places, ...args, lowest, highest);
    else exports.quantizeAffineColumns(...places, ...args, lowest, highest);
  }

  dequantize(
    { signed }: AffineFormat,
    codesPtr: number,
    scalePtr: number,
    zeroPointPtr: number,
    valuesPtr: number,
    elementCount: number,
    runs: ScaleRuns,
  ): void {
    if (elementCount === 0) return;
    const { exports, floats } = this;
    const places = [codesPtr, scalePtr, zeroPointPtr, valuesPtr, elementCount] as const;
    const signBit = signed ? 0x80 : 0;
    const { each, args } = kernelRuns(elementCount, runs);
    const largest =
      each === "run"
        ? exports.dequantizeAffineRuns(...places, ...args, signBit)
        : exports.dequantizeAffineColumns(...places, ...args, signBit);
    if (largest >>> 0 >= INFINITY_BITS) floats.settleNans("float32", valuesPtr, elementCount);
  }
}
