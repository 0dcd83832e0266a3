/** Q3_K and Q6_K: sub-blocks of 16 with a signed scale each, in units of the block's. */

import { clampedInt, extreme, f32, nearestInt, TINY, toInt8 } from "./arithmetic.ts";
import { type BlockCodec, getHalf, packPlanes, setHalf, unpackPlanes } from "./codec.ts";
import { searchDescent, searchSigned } from "./search-signed.ts";

const VALUES = 256;
const SIZE = 16;
const COUNT = VALUES / SIZE;

type Search = (x: Float32Array, codes: Int8Array) => number;

function search(values: Float32Array, codes: Int8Array, one: Search): Float32Array {
  return Float32Array.from({ length: COUNT }, (_, j) => {
    const [from, to] = [SIZE * j, SIZE * (j + 1)];
    return one(values.subarray(from, to), codes.subarray(from, to));
  });
}

/** Codes again, of the scale that is stored; a scale of 0 leaves those searched. */
function requantize(
  values: Float32Array,
  codes: Int8Array,
  middle: number,
  scaleOf: (j: number) => number,
): void {
  for (let j = 0; j < COUNT; j++) {
    const d = scaleOf(j);
    if (d === 0) continue;
    for (let i = SIZE * j; i < SIZE * (j + 1); i++) {
      codes[i] = clampedInt(f32((values[i] as number) / d), -middle, middle - 1) + middle;
    }
  }
}

export const Q6_K: BlockCodec = {
  quantize(values, block) {
    const codes = new Int8Array(VALUES);
    const scales = search(values, codes, (x, own) => searchSigned(x, own, 32));
    const maxScale = extreme(scales);
    block.fill(0);
    if (Math.abs(maxScale) < TINY) return;
    const factor = f32(-128 / maxScale);
    const d = setHalf(block, 208, f32(1 / factor));
    const stored = Int8Array.from(scales, (scale) =>
      Math.min(127, nearestInt(f32(factor * scale))),
    );
    block.set(new Uint8Array(stored.buffer), 192);
    requantize(values, codes, 32, (j) => f32(d * (stored[j] as number)));
    for (let half = 0; half < 2; half++) {
      for (let l = 0; l < 32; l++) {
        const code = (n: number) => codes[128 * half + 32 * n + l] as number;
        block[64 * half + l] = (code(0) & 15) | ((code(2) & 15) << 4);
        block[64 * half + 32 + l] = (code(1) & 15) | ((code(3) & 15) << 4);
        block[128 + 32 * half + l] =
          (code(0) >> 4) | ((code(1) >> 4) << 2) | ((code(2) >> 4) << 4) | ((code(3) >> 4) << 6);
      }
    }
  },
  dequantize(block, values) {
    const d = getHalf(block, 208);
    for (let i = 0; i < VALUES; i++) {
      const [half, n, l] = [i >> 7, (i >> 5) & 3, i & 31];
      const low = (block[64 * half + 32 * (n & 1) + l] as number) >> (4 * (n >> 1));
      const high = (block[128 + 32 * half + l] as number) >> (2 * n);
      const code = ((low & 15) | ((high & 3) << 4)) - 32;
      values[i] = f32(d * toInt8(block[192 + (i >> 4)] as number)) * code;
    }
  },
};

/** Sixteen scales of 6 bits from byte 96: nibbles in eight bytes, the upper two bits in four. */
function scaleCode(block: Uint8Array, j: number): number {
  const low = (block[96 + (j & 7)] as number) >> (4 * (j >> 3));
  const high = (block[104 + (j & 3)] as number) >> (2 * (j >> 2));
  return (low & 15) | ((high & 3) << 4);
}

export const Q3_K: BlockCodec = {
  quantize(values, block) {
    const codes = new Int8Array(VALUES);
    const scales = search(values, codes, (x, own) => searchDescent(x, own, 4));
    const maxScale = extreme(scales);
    block.fill(0);
    let d = 0;
    if (maxScale !== 0) {
      const factor = f32(-32 / maxScale);
      scales.forEach((scale, j) => {
        const number = toInt8(nearestInt(f32(factor * scale)));
        const code = Math.max(-32, Math.min(31, number)) + 32;
        const [low, high] = [96 + (j & 7), 104 + (j & 3)];
        block[low] = (block[low] as number) | ((code & 15) << (4 * (j >> 3)));
        block[high] = (block[high] as number) | ((code >> 4) << (2 * (j >> 2)));
      });
      d = setHalf(block, 108, f32(1 / factor));
    }
    requantize(values, codes, 4, (j) => f32(d * (scaleCode(block, j) - 32)));
    codes.forEach((code, i) => {
      if (code > 3) block[i & 31] = (block[i & 31] as number) | (1 << (i >> 5));
    });
    packPlanes(codes, block, 32, 32);
  },
  dequantize(block, values) {
    const d = getHalf(block, 108);
    unpackPlanes(block, 32, 32, new Uint8Array(VALUES)).forEach((low, i) => {
      const isHigh = ((block[i & 31] as number) >> (i >> 5)) & 1;
      values[i] = f32(d * (scaleCode(block, i >> 4) - 32)) * (low - (isHigh ? 0 : 4));
    });
  },
};
