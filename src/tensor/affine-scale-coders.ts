/** Scales and zero points of affine coding: as they are, or double quantized. */

import type { FloatDtype } from "../foundation/dtype.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../foundation/half.ts";
import { roundHalfEven } from "../kernels/reference/round.ts";
import type { AffineFormat } from "../schemes/affine.ts";
import type { EncodedScales } from "./encoder.ts";
import { GrowingArray } from "./growing-array.ts";
import { NESTED_SCALE_GROUP, nestScales } from "./nested-scale.ts";
import type { ScaleCoder, ScalePlaces } from "./scale-coder.ts";
import type { Workspace } from "./workspace.ts";

const fl = Math.fround;

/** f32 scales, maybe rounded to another dtype, and f32 zero points. */
export class AffineScaleCoder implements ScaleCoder {
  readonly group = 1;
  readonly needsTensorRange = false;
  readonly #workspace: Workspace;
  readonly #format: AffineFormat;
  readonly #symmetric: boolean;
  readonly #dtype: FloatDtype;
  readonly #scales: GrowingArray<Float32Array<ArrayBuffer>>;
  readonly #zeroPoints: GrowingArray<Float32Array<ArrayBuffer>>;

  constructor(
    workspace: Workspace,
    format: AffineFormat,
    symmetric: boolean,
    scaleCount: number,
    tensor: string | undefined,
    dtype: FloatDtype = "float32",
  ) {
    this.#workspace = workspace;
    this.#format = format;
    this.#symmetric = symmetric;
    this.#dtype = dtype;
    const floats = (length: number) => new Float32Array(length);
    this.#scales = new GrowingArray(floats, scaleCount, tensor);
    this.#zeroPoints = new GrowingArray(floats, symmetric ? 0 : scaleCount, tensor);
  }

  setTensorRange(): void {}

  code(places: ScalePlaces, first: number, count: number): void {
    const { kernels } = this.#workspace;
    const { min, max, scale, zeroPoint } = places;
    kernels.affineParameters(this.#format, this.#symmetric, min, max, scale, zeroPoint, count);
    if (this.#dtype !== "float32") this.#round(places, count);
    this.#scales.set(this.#workspace.floats(scale, count), first);
    if (!this.#symmetric) this.#zeroPoints.set(this.#workspace.floats(zeroPoint, count), first);
  }

  finish(): EncodedScales {
    const scale = this.#scales.values;
    return this.#symmetric
      ? { family: "affine", scale }
      : { family: "affine", scale, zeroPoint: this.#zeroPoints.values };
  }

  /** Rounds the scales to the dtype of a file; zero points follow the rounded scale. */
  #round(places: ScalePlaces, count: number): void {
    const isHalf = this.#dtype === "float16";
    const rounded = isHalf
      ? (x: number) => Math.min(65504, Math.max(2 ** -24, f16ToF32(f32ToF16(x))))
      : (x: number) => bf16ToF32(f32ToBf16(x));
    const scales = this.#workspace.floats(places.scale, count);
    for (let i = 0; i < count; i++) scales[i] = rounded(scales[i] as number);
    if (this.#symmetric) return;
    const { lowest, highest } = this.#format;
    const mins = this.#workspace.floats(places.min, count);
    const zeroPoints = this.#workspace.floats(places.zeroPoint, count);
    for (let i = 0; i < count; i++) {
      const exact = fl(lowest - fl((mins[i] as number) / (scales[i] as number)));
      zeroPoints[i] = Math.min(highest, Math.max(lowest, roundHalfEven(exact)));
    }
  }
}

/** Double quantized affine scales: 8-bit codes of scales, zero points as one byte. */
export class NestedScaleCoder implements ScaleCoder {
  readonly group = NESTED_SCALE_GROUP;
  readonly needsTensorRange = false;
  readonly #workspace: Workspace;
  readonly #format: AffineFormat;
  readonly #symmetric: boolean;
  readonly #codes: GrowingArray<Uint8Array<ArrayBuffer>>;
  readonly #ranges: GrowingArray<Float32Array<ArrayBuffer>>;
  readonly #zeroPoints: GrowingArray<Uint8Array<ArrayBuffer> | Int8Array<ArrayBuffer>>;

  constructor(
    workspace: Workspace,
    format: AffineFormat,
    symmetric: boolean,
    scaleCount: number,
    tensor: string | undefined,
  ) {
    this.#workspace = workspace;
    this.#format = format;
    this.#symmetric = symmetric;
    const groups = Math.ceil(scaleCount / NESTED_SCALE_GROUP);
    this.#codes = new GrowingArray((length) => new Uint8Array(length), scaleCount, tensor);
    this.#ranges = new GrowingArray((length) => new Float32Array(length), 2 * groups, tensor);
    this.#zeroPoints = new GrowingArray(
      (length) => (format.signed ? new Int8Array(length) : new Uint8Array(length)),
      symmetric ? 0 : scaleCount,
      tensor,
    );
  }

  setTensorRange(): void {}

  code({ min, max, scale, zeroPoint }: ScalePlaces, first: number, count: number): void {
    const workspace = this.#workspace;
    workspace.kernels.affineParameters(
      this.#format,
      this.#symmetric,
      min,
      max,
      scale,
      zeroPoint,
      count,
    );
    const mins = workspace.floats(min, count);
    const maxes = workspace.floats(max, count);
    const scales = workspace.floats(scale, count);
    const codes = new Uint8Array(NESTED_SCALE_GROUP);
    for (let at = 0; at < count; at += NESTED_SCALE_GROUP) {
      const end = Math.min(at + NESTED_SCALE_GROUP, count);
      const isZero = (i: number) => mins[at + i] === 0 && maxes[at + i] === 0;
      const range = nestScales(scales.subarray(at, end), isZero, codes);
      this.#codes.set(codes.subarray(0, end - at), first + at);
      this.#ranges.set(range, (2 * (first + at)) / NESTED_SCALE_GROUP);
    }
    if (!this.#symmetric) this.#zeroPoints.set(workspace.floats(zeroPoint, count), first);
  }

  finish(): EncodedScales {
    const nested = { blockSize: NESTED_SCALE_GROUP, ranges: this.#ranges.values };
    const scales = { family: "affine" as const, scale: this.#codes.values, nested };
    return this.#symmetric ? scales : { ...scales, zeroPoint: this.#zeroPoints.values };
  }
}
