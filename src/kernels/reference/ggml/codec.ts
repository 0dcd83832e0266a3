/** What every block type has: a block of f32 to bytes, and back. */

import { f16ToF32, f32ToF16 } from "../../../foundation/half.ts";

export interface BlockCodec {
  /** Writes every byte of `block` from the values of one block, all finite. */
  quantize(values: Float32Array, block: Uint8Array): void;
  dequantize(block: Uint8Array, values: Float32Array): void;
}

/** The float16 at `at`, which need not be even. */
export function getHalf(block: Uint8Array, at: number): number {
  return f16ToF32((block[at] as number) | ((block[at + 1] as number) << 8));
}

/** NaN is 0x7e00. @returns what was stored, as f32 */
export function setHalf(block: Uint8Array, at: number, value: number): number {
  const bits = Number.isNaN(value) ? 0x7e00 : f32ToF16(value);
  block[at] = bits;
  block[at + 1] = bits >> 8;
  return f16ToF32(bits);
}

/** Codes of 4 bits as halves, not neighbours: byte j holds code j low and code j + n/2 high. */
export function packHalves(codes: ArrayLike<number>, block: Uint8Array, at: number): void {
  const half = codes.length / 2;
  for (let j = 0; j < half; j++) {
    block[at + j] = (codes[j] as number) | ((codes[j + half] as number) << 4);
  }
}

export function unpackHalves(block: Uint8Array, at: number, codes: Uint8Array): Uint8Array {
  const half = codes.length / 2;
  for (let j = 0; j < half; j++) {
    const byte = block[at + j] as number;
    codes[j] = byte & 15;
    codes[j + half] = byte >> 4;
  }
  return codes;
}

/**
 * Codes of 2 bits as planes: of each `4 · stride` codes, byte m holds codes m, m + stride,
 * m + 2 · stride and m + 3 · stride, the first lowest.
 */
export function packPlanes(
  codes: ArrayLike<number>,
  block: Uint8Array,
  at: number,
  stride: number,
): void {
  for (let i = 0; i < codes.length; i += 4 * stride) {
    for (let m = 0; m < stride; m++, at++) {
      let byte = 0;
      for (let n = 0; n < 4; n++) {
        byte |= ((codes[i + m + n * stride] as number) & 3) << (2 * n);
      }
      block[at] = byte;
    }
  }
}

export function unpackPlanes(
  block: Uint8Array,
  at: number,
  stride: number,
  codes: Uint8Array,
): Uint8Array {
  for (let i = 0; i < codes.length; i += 4 * stride) {
    for (let m = 0; m < stride; m++, at++) {
      const byte = block[at] as number;
      for (let n = 0; n < 4; n++) codes[i + m + n * stride] = (byte >> (2 * n)) & 3;
    }
  }
  return codes;
}
