/** IQ4_NL and IQ4_XS: sixteen uneven levels, and the best of sixteen scales. */

import { IQ4_LEVELS } from "../../../schemes/ggml/levels.ts";
import { clampedInt, extreme, f32, inverse, TINY } from "./arithmetic.ts";
import { type BlockCodec, getHalf, packHalves, setHalf, unpackHalves } from "./codec.ts";

const SIZE = 32;

/** The nearest level, of two equally near the upper; NaN takes the last. */
function nearestLevel(x: number): number {
  for (let code = 0; code < 15; code++) {
    const middle = ((IQ4_LEVELS[code] as number) + (IQ4_LEVELS[code + 1] as number)) / 2;
    if (x < middle) return code;
  }
  return 15;
}

/** @returns the scale before it is rounded */
function search(x: Float32Array): number {
  const most = extreme(x);
  if (Math.abs(most) < TINY) return 0;
  let sumQX = 0;
  let sumQ2 = 0;
  const sum = (factor: number) => {
    sumQX = 0;
    sumQ2 = 0;
    for (const value of x) {
      const level = IQ4_LEVELS[nearestLevel(f32(factor * value))] as number;
      const wq = f32(f32(value * value) * level);
      sumQX = f32(sumQX + f32(wq * value));
      sumQ2 = f32(sumQ2 + f32(wq * level));
    }
  };

  const lowest = IQ4_LEVELS[0] as number;
  sum(f32(1 / f32(-most / lowest)));
  let d = sumQ2 > 0 ? f32(sumQX / sumQ2) : 0;
  let best = f32(d * sumQX);
  for (let n = -7; n <= 7; n++) {
    sum(f32((n + lowest) / most));
    if (sumQ2 > 0 && f32(sumQX * sumQX) > f32(best * sumQ2)) {
      d = f32(sumQX / sumQ2);
      best = f32(d * sumQX);
    }
  }
  return d;
}

function codesOf(x: Float32Array, d: number): Uint8Array {
  const factor = inverse(d);
  return Uint8Array.from(x, (value) => nearestLevel(f32(factor * value)));
}

export const IQ4_NL: BlockCodec = {
  quantize(values, block) {
    const d = search(values);
    setHalf(block, 0, d);
    packHalves(codesOf(values, d), block, 2);
  },
  dequantize(block, values) {
    const d = getHalf(block, 0);
    unpackHalves(block, 2, new Uint8Array(SIZE)).forEach((code, i) => {
      values[i] = (IQ4_LEVELS[code] as number) * d;
    });
  },
};

export const IQ4_XS: BlockCodec = {
  quantize(values, block) {
    const parts = Array.from({ length: 8 }, (_, j) => values.subarray(SIZE * j, SIZE * (j + 1)));
    const scales = Float32Array.from(parts, search);
    const d = f32(-extreme(scales) / 32);
    const factor = inverse(d);
    setHalf(block, 0, d);
    let high = 0;
    block.fill(0, 4, 8);
    parts.forEach((part, j) => {
      const unit = clampedInt(f32(factor * (scales[j] as number)), -32, 31);
      packHalves(codesOf(part, f32(d * unit)), block, 8 + 16 * j);
      const code = unit + 32;
      const at = 4 + (j >> 1);
      block[at] = (block[at] as number) | ((code & 15) << (4 * (j & 1)));
      high |= (code >> 4) << (2 * j);
    });
    block[2] = high;
    block[3] = high >> 8;
  },
  dequantize(block, values) {
    const d = getHalf(block, 0);
    const high = (block[2] as number) | ((block[3] as number) << 8);
    const codes = new Uint8Array(SIZE);
    for (let j = 0; j < 8; j++) {
      const low = (block[4 + (j >> 1)] as number) >> (4 * (j & 1));
      const scale = f32(d * (((low & 15) | (((high >> (2 * j)) & 3) << 4)) - 32));
      unpackHalves(block, 8 + 16 * j, codes).forEach((code, i) => {
        values[SIZE * j + i] = scale * (IQ4_LEVELS[code] as number);
      });
    }
  },
};
