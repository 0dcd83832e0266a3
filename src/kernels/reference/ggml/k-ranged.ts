/** Q2_K, Q4_K and Q5_K: sub-blocks with a scale and a minimum each, in units of the block's two. */

import { clampedInt, f32, nearestInt } from "./arithmetic.ts";
import {
  type BlockCodec,
  getHalf,
  packHalves,
  packPlanes,
  setHalf,
  unpackHalves,
  unpackPlanes,
} from "./codec.ts";
import { type MinScale, type MinSearch, searchMin } from "./search-min.ts";

const VALUES = 256;

/** Codes of all sub-blocks, and their scales and minima. */
function search(
  values: Float32Array,
  size: number,
  options: MinSearch,
  weightsOf: (x: Float32Array) => Float32Array,
): { codes: Uint8Array; found: MinScale[] } {
  const codes = new Uint8Array(VALUES);
  const found: MinScale[] = [];
  for (let at = 0; at < VALUES; at += size) {
    const x = values.subarray(at, at + size);
    found.push(searchMin(x, weightsOf(x), codes.subarray(at, at + size), options));
  }
  return { codes, found };
}

/** Codes again, of the scale and minimum that are stored; a scale of 0 leaves those searched. */
function requantize(
  values: Float32Array,
  codes: Uint8Array,
  size: number,
  highest: number,
  scaleOf: (j: number) => readonly [d: number, min: number],
): void {
  for (let j = 0; j < VALUES / size; j++) {
    const [d, min] = scaleOf(j);
    if (d === 0) continue;
    for (let i = size * j; i < size * (j + 1); i++) {
      codes[i] = clampedInt(f32(f32((values[i] as number) + min) / d), 0, highest);
    }
  }
}

function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => (number > most ? number : most), 0);
}

const Q2_SEARCH: MinSearch = { highest: 3, first: -0.5, step: 0.1, steps: 15, error: "magnitude" };
const Q4_SEARCH: MinSearch = { highest: 15, first: -1, step: 0.1, steps: 20, error: "square" };
const Q5_SEARCH: MinSearch = { highest: 31, first: -0.5, step: 0.1, steps: 15, error: "square" };

export const Q2_K: BlockCodec = {
  quantize(values, block) {
    const { codes, found } = search(values, 16, Q2_SEARCH, (x) => x.map(Math.abs));
    block.fill(0, 0, 16);
    const put = (at: number, numbers: readonly number[], shift: number) => {
      const most = largest(numbers);
      const factor = most > 0 ? f32(15 / most) : 0;
      numbers.forEach((number, j) => {
        if (most > 0) block[j] = (block[j] as number) | (nearestInt(f32(factor * number)) << shift);
      });
      return setHalf(block, at, most > 0 ? f32(most / 15) : 0);
    };
    const d = put(
      80,
      found.map(({ scale }) => scale),
      0,
    );
    const dmin = put(
      82,
      found.map(({ min }) => min),
      4,
    );
    requantize(values, codes, 16, 3, (j) => {
      const byte = block[j] as number;
      return [f32(d * (byte & 15)), f32(dmin * (byte >> 4))];
    });
    packPlanes(codes, block, 16, 32);
  },
  dequantize(block, values) {
    const d = getHalf(block, 80);
    const dmin = getHalf(block, 82);
    unpackPlanes(block, 16, 32, new Uint8Array(VALUES)).forEach((code, i) => {
      const byte = block[i >> 4] as number;
      values[i] = f32(f32(d * (byte & 15)) * code) - f32(dmin * (byte >> 4));
    });
  },
};

/** The mean square's root plus the magnitude. */
function weights45(x: Float32Array): Float32Array {
  let sum = 0;
  for (const value of x) sum = f32(sum + f32(value * value));
  const root = f32(Math.sqrt(f32(sum / 32)));
  return x.map((value) => root + Math.abs(value));
}

/** Eight scales and eight minima of 6 bits in twelve bytes. */
function packScales(scales: readonly number[], mins: readonly number[], block: Uint8Array): void {
  for (let j = 0; j < 4; j++) {
    const [low, high] = [j, j + 4];
    const [scaleHigh, minHigh] = [scales[high] as number, mins[high] as number];
    block[4 + j] = (scales[low] as number) | ((scaleHigh >> 4) << 6);
    block[8 + j] = (mins[low] as number) | ((minHigh >> 4) << 6);
    block[12 + j] = (scaleHigh & 15) | ((minHigh & 15) << 4);
  }
}

function scaleAndMin(block: Uint8Array, j: number): readonly [scale: number, min: number] {
  const byte = (at: number) => block[4 + at] as number;
  if (j < 4) return [byte(j) & 63, byte(j + 4) & 63];
  return [
    (byte(j + 4) & 15) | ((byte(j - 4) >> 6) << 4),
    (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4),
  ];
}

/** @param codesAt where the low nibbles lie; before them, for 5 bits, 32 bytes of fifth bits */
function k45(options: MinSearch, codesAt: number): BlockCodec {
  const size = 32;
  return {
    quantize(values, block) {
      const { codes, found } = search(values, size, options, weights45);
      const six = (numbers: readonly number[], most: number) => {
        const factor = most > 0 ? f32(63 / most) : 0;
        return numbers.map((number) => Math.min(63, nearestInt(f32(factor * number)) & 255));
      };
      const scales = found.map(({ scale }) => scale);
      const mins = found.map(({ min }) => min);
      const [maxScale, maxMin] = [largest(scales), largest(mins)];
      packScales(six(scales, maxScale), six(mins, maxMin), block);
      const d = setHalf(block, 0, f32(maxScale / 63));
      const dmin = setHalf(block, 2, f32(maxMin / 63));
      requantize(values, codes, size, options.highest, (j) => {
        const [scale, min] = scaleAndMin(block, j);
        return [f32(d * scale), f32(dmin * min)];
      });
      if (codesAt > 16) {
        for (let l = 0; l < 32; l++) {
          let byte = 0;
          for (let j = 0; j < 8; j++) byte |= ((codes[32 * j + l] as number) >> 4) << j;
          block[16 + l] = byte;
        }
      }
      for (let pair = 0; pair < 4; pair++) {
        const low = codes.subarray(64 * pair, 64 * (pair + 1)).map((code) => code & 15);
        packHalves(low, block, codesAt + 32 * pair);
      }
    },
    dequantize(block, values) {
      const d = getHalf(block, 0);
      const dmin = getHalf(block, 2);
      const codes = new Uint8Array(64);
      for (let pair = 0; pair < 4; pair++) {
        unpackHalves(block, codesAt + 32 * pair, codes).forEach((low, i) => {
          const j = 2 * pair + (i >> 5);
          const fifth = codesAt > 16 ? ((block[16 + (i & 31)] as number) >> j) & 1 : 0;
          const [scale, min] = scaleAndMin(block, j);
          values[64 * pair + i] = f32(f32(d * scale) * (low | (fifth << 4))) - f32(dmin * min);
        });
      }
    },
  };
}

export const Q4_K: BlockCodec = /* @__PURE__ */ k45(Q4_SEARCH, 16);
export const Q5_K: BlockCodec = /* @__PURE__ */ k45(Q5_SEARCH, 48);
