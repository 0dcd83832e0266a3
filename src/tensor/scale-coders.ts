/** From the range of each run to the scale that its codes are computed with, and what is stored of it. */

import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../foundation/half.ts";
import { roundHalfEven } from "../kernels/reference/round.ts";
import type { AffineFormat } from "../schemes/affine.ts";
import { E4M3, type FloatFormat, floatLevels } from "../schemes/float-format.ts";
import type { ScaleFormat } from "../schemes/registry.ts";
import type { EncodedScales } from "./encoder.ts";
import { GrowingArray } from "./growing-array.ts";
import { NESTED_SCALE_GROUP, nestScales, SMALLEST_SCALE } from "./nested-scale.ts";
import type { Workspace } from "./workspace.ts";

const fl = Math.fround;

/** Addresses in kernel memory of what belongs to each scale, f32 each. */
export interface ScalePlaces {
  readonly min: number;
  readonly max: number;
  readonly scale: number;
  /** 0: every zero point is 0. */
  readonly zeroPoint: number;
}

export interface ScaleCoder {
  /** Scales that must be coded together; a call's first scale is a multiple of it. */
  readonly group: number;
  /** The range of the whole tensor is needed before the first scale is coded. */
  readonly needsTensorRange: boolean;
  setTensorRange(min: number, max: number): void;
  /** Reads the ranges of `count` scales, writes their scales and zero points, and keeps what is stored. */
  code(places: ScalePlaces, first: number, count: number): void;
  finish(): EncodedScales;
}

/** f32 scales, maybe rounded to another dtype, and f32 zero points. */
export class AffineScaleCoder implements ScaleCoder {
  readonly group = 1;
  readonly needsTensorRange = false;
  readonly #workspace: Workspace;
  readonly #format: AffineFormat;
  readonly #symmetric: boolean;
  readonly #dtype: "float32" | "float16" | "bfloat16";
  readonly #scales: GrowingArray<Float32Array<ArrayBuffer>>;
  readonly #zeroPoints: GrowingArray<Float32Array<ArrayBuffer>>;

  constructor(
    workspace: Workspace,
    format: AffineFormat,
    symmetric: boolean,
    scaleCount: number,
    tensor: string | undefined,
    dtype: "float32" | "float16" | "bfloat16" = "float32",
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

/** Scales of block floats: powers of two, E4M3 beside a tensor scale, or f32. */
export class FloatScaleCoder implements ScaleCoder {
  readonly group = 1;
  readonly needsTensorRange: boolean;
  readonly #workspace: Workspace;
  readonly #format: FloatFormat;
  readonly #scale: ScaleFormat;
  readonly #stored: GrowingArray<Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>;
  #tensorScale = 1;

  constructor(
    workspace: Workspace,
    format: FloatFormat,
    scale: ScaleFormat,
    scaleCount: number,
    tensor: string | undefined,
  ) {
    this.#workspace = workspace;
    this.#format = format;
    this.#scale = scale;
    this.needsTensorRange = scale === "e4m3";
    this.#stored = new GrowingArray<Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(
      (length) => (scale === "float32" ? new Float32Array(length) : new Uint8Array(length)),
      scaleCount,
      tensor,
    );
  }

  /** NVFP4: the largest block scale becomes E4M3's largest. A tensor of zeros has scale 1. */
  setTensorRange(min: number, max: number): void {
    const amax = Math.max(-min, max);
    const scale = fl(amax / fl(E4M3.largest * this.#format.largest));
    this.#tensorScale = amax === 0 ? 1 : Math.max(scale, SMALLEST_SCALE);
  }

  code({ min, max, scale }: ScalePlaces, first: number, count: number): void {
    const mins = this.#workspace.floats(min, count);
    const maxes = this.#workspace.floats(max, count);
    const scales = this.#workspace.floats(scale, count);
    for (let i = 0; i < count; i++) {
      scales[i] = Math.max(-(mins[i] as number), maxes[i] as number);
    }
    if (this.#scale === "float32") this.#codeFloats(scales, first);
    else if (this.#scale === "e8m0") this.#codePowers(scales, first);
    else this.#codeE4m3(scale, count, first);
  }

  finish(): EncodedScales {
    const scale = this.#stored.values;
    return this.#scale === "e4m3"
      ? { family: "float", scale, tensorScale: this.#tensorScale }
      : { family: "float", scale };
  }

  /** Every method below replaces a block's max |w| by its scale. */
  #codeFloats(scales: Float32Array, first: number): void {
    for (let i = 0; i < scales.length; i++) {
      const amax = scales[i] as number;
      const exact = fl(amax / this.#format.largest);
      scales[i] = amax === 0 ? 1 : Math.max(exact, SMALLEST_SCALE);
    }
    this.#stored.set(scales, first);
  }

  #codePowers(scales: Float32Array, first: number): void {
    const bytes = new Uint8Array(scales.length);
    const powers = e8m0Scales();
    const words = new Uint32Array(scales.buffer, scales.byteOffset, scales.length);
    const { largestExponent } = this.#format;
    for (let i = 0; i < bytes.length; i++) {
      // floor(log2 amax), biased by 127, is the f32's exponent field; a block of zeros has 0.
      const exponent = ((words[i] as number) >>> 23) - largestExponent;
      const byte = exponent < 0 ? 0 : exponent;
      bytes[i] = byte;
      scales[i] = powers[byte] as number;
    }
    this.#stored.set(bytes, first);
  }

  /** E4M3 of fl(fl(amax / 6) / tensorScale); a block with a value never gets code 0. */
  #codeE4m3(scalePtr: number, count: number, first: number): void {
    const workspace = this.#workspace;
    const codesPtr = workspace.reserve("e4m3 codes", count);
    const onePtr = workspace.reserve("one", 4);
    workspace.floats(onePtr, 1)[0] = 1;
    const scales = workspace.floats(scalePtr, count);
    const isZero = new Uint8Array(count);
    const { largest } = this.#format;
    const tensorScale = this.#tensorScale;
    for (let i = 0; i < count; i++) {
      const amax = scales[i] as number;
      isZero[i] = amax === 0 ? 1 : 0;
      scales[i] = fl(amax / largest) / tensorScale;
    }
    const runs = {
      rowLength: count,
      runLength: count,
      startColumn: 0,
      firstScale: 0,
      scaleCount: 1,
    };
    workspace.kernels.quantizeFloat(E4M3, scalePtr, onePtr, codesPtr, count, runs);
    const codes = workspace.bytes(codesPtr, count);
    const levels = e4m3Levels();
    for (let i = 0; i < count; i++) {
      if (isZero[i] === 1) codes[i] = 0;
      else if (codes[i] === 0) codes[i] = 1;
      // A block of zeros divides by 1, whatever its stored 0 decodes to.
      scales[i] = fl((levels[codes[i] as number] as number) * tensorScale) || 1;
    }
    this.#stored.set(codes, first);
  }
}

let powers: Float32Array | undefined;

/** 2^(byte − 127) of every E8M0 byte; 255 is NaN. Source: OCP Microscaling Formats 1.0, 5.4.1. */
export function e8m0Scales(): Float32Array {
  powers ??= Float32Array.from({ length: 256 }, (_, byte) =>
    byte === 255 ? NaN : 2 ** (byte - 127),
  );
  return powers;
}

let levelsOfE4m3: Float32Array | undefined;

/** The values of E4M3 codes: a block's scale is fl(value · tensorScale). */
export function e4m3Levels(): Float32Array {
  levelsOfE4m3 ??= floatLevels(E4M3);
  return levelsOfE4m3;
}
