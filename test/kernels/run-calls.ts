/** Calls of the kernels whose scales lie in runs, on byte arrays, with canaries around outputs. */

import type { KernelSet, ScaleRuns } from "../../src/kernels/kernel-set.ts";
import type { AffineFormat } from "../../src/schemes/affine.ts";
import type { FloatFormat } from "../../src/schemes/float-format.ts";
import { Slot } from "./calls.ts";

const bytesOf = (floats: Float32Array) =>
  new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);

export interface Range {
  readonly min: Uint8Array;
  readonly max: Uint8Array;
  readonly finite: boolean;
}

/** One kernel set with slots for up to `capacity` elements and as many scales. */
export class RunHarness {
  readonly kernels: KernelSet;
  private readonly values: Slot;
  /** Not aligned: codes may lie anywhere. */
  private readonly codes: Slot;
  private readonly packed: Slot;
  private readonly scales: Slot;
  private readonly zeroPoints: Slot;
  private readonly min: Slot;
  private readonly max: Slot;

  constructor(kernels: KernelSet, capacity: number) {
    this.kernels = kernels;
    this.values = new Slot(kernels, 4 * capacity);
    this.codes = new Slot(kernels, capacity, 5);
    this.packed = new Slot(kernels, capacity);
    this.scales = new Slot(kernels, 4 * capacity);
    this.zeroPoints = new Slot(kernels, 4 * capacity);
    this.min = new Slot(kernels, 4 * capacity);
    this.max = new Slot(kernels, 4 * capacity);
  }

  range(values: Float32Array, min: Float32Array, max: Float32Array, runs: ScaleRuns): Range {
    const finite = this.kernels.range(
      this.values.write(bytesOf(values)),
      this.min.write(bytesOf(min)),
      this.max.write(bytesOf(max)),
      values.length,
      runs,
    );
    return { min: this.min.read(min.byteLength), max: this.max.read(max.byteLength), finite };
  }

  /** Scales, then zero points unless symmetric. */
  parameters(
    format: AffineFormat,
    symmetric: boolean,
    min: Float32Array,
    max: Float32Array,
  ): Uint8Array[] {
    const zeroPointPtr = this.zeroPoints.clear();
    this.kernels.affineParameters(
      format,
      symmetric,
      this.min.write(bytesOf(min)),
      this.max.write(bytesOf(max)),
      this.scales.clear(),
      symmetric ? 0 : zeroPointPtr,
      min.length,
    );
    const zeroPoints = this.zeroPoints.read(symmetric ? 0 : min.byteLength);
    return [this.scales.read(min.byteLength), zeroPoints];
  }

  quantizeAffine(
    format: AffineFormat,
    values: Float32Array,
    scales: Float32Array,
    zeroPoints: Float32Array | undefined,
    runs: ScaleRuns,
  ): Uint8Array {
    this.kernels.quantizeAffine(
      format,
      this.values.write(bytesOf(values)),
      this.scales.write(bytesOf(scales)),
      zeroPoints === undefined ? 0 : this.zeroPoints.write(bytesOf(zeroPoints)),
      this.codes.clear(),
      values.length,
      runs,
    );
    return this.codes.read(values.length);
  }

  dequantizeAffine(
    format: AffineFormat,
    codes: Uint8Array,
    scales: Float32Array,
    zeroPoints: Float32Array | undefined,
    runs: ScaleRuns,
  ): Uint8Array {
    this.kernels.dequantizeAffine(
      format,
      this.codes.write(codes),
      this.scales.write(bytesOf(scales)),
      zeroPoints === undefined ? 0 : this.zeroPoints.write(bytesOf(zeroPoints)),
      this.values.clear(),
      codes.length,
      runs,
    );
    return this.values.read(4 * codes.length);
  }

  quantizeFloat(
    format: FloatFormat,
    values: Float32Array,
    scales: Float32Array,
    runs: ScaleRuns,
  ): Uint8Array {
    this.kernels.quantizeFloat(
      format,
      this.values.write(bytesOf(values)),
      this.scales.write(bytesOf(scales)),
      this.codes.clear(),
      values.length,
      runs,
    );
    return this.codes.read(values.length);
  }

  dequantizeFloat(
    format: FloatFormat,
    codes: Uint8Array,
    scales: Float32Array,
    runs: ScaleRuns,
  ): Uint8Array {
    this.kernels.dequantizeFloat(
      format,
      this.codes.write(codes),
      this.scales.write(bytesOf(scales)),
      this.values.clear(),
      codes.length,
      runs,
    );
    return this.values.read(4 * codes.length);
  }

  packNibbles(codes: Uint8Array): Uint8Array {
    this.kernels.packNibbles(this.codes.write(codes), this.packed.clear(), codes.length);
    return this.packed.read(Math.ceil(codes.length / 2));
  }

  unpackNibbles(packed: Uint8Array, count: number, signed: boolean): Uint8Array {
    const packedPtr = this.packed.write(packed);
    this.kernels.unpackNibbles(packedPtr, this.codes.clear(), count, signed);
    return this.codes.read(count);
  }
}
