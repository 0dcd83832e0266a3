/** Scales of block floats. */

import { E4M3, type FloatFormat, floatLevels } from "../schemes/float-format.ts";
import type { ScaleFormat } from "../schemes/registry.ts";
import type { EncodedScales } from "./encoder.ts";
import { GrowingArray } from "./growing-array.ts";
import { SMALLEST_SCALE } from "./nested-scale.ts";
import type { ScaleCoder, ScalePlaces } from "./scale-coder.ts";
import type { Workspace } from "./workspace.ts";

const fl = Math.fround;

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
