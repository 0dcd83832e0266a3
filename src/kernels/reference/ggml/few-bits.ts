/** Q1_0, Q2_0, and the ternary TQ1_0 and TQ2_0: the largest magnitude, or the mean, and a sign. */

import { absmax, f32, inverse, roundHalfAway, toInt } from "./arithmetic.ts";
import { type BlockCodec, getHalf, packPlanes, setHalf, unpackPlanes } from "./codec.ts";

/** d = mean magnitude; a bit for each sign, that of −0 being plus. */
export const Q1_0: BlockCodec = {
  quantize(values, block) {
    let sum = 0;
    for (const x of values) sum = f32(sum + Math.abs(x));
    setHalf(block, 0, f32(sum / values.length));
    block.fill(0, 2);
    values.forEach((x, i) => {
      const at = 2 + (i >> 3);
      if (x >= 0) block[at] = (block[at] as number) | (1 << (i & 7));
    });
  },
  dequantize(block, values) {
    const d = getHalf(block, 0);
    for (let i = 0; i < values.length; i++) {
      values[i] = ((block[2 + (i >> 3)] as number) >> (i & 7)) & 1 ? d : -d;
    }
  },
};

/** Writes the scale, and gives the codes −1, 0 and 1 as 0, 1 and 2. */
function ternary(values: Float32Array, block: Uint8Array, scaleAt: number): Int32Array {
  const d = absmax(values);
  const factor = inverse(d);
  setHalf(block, scaleAt, d);
  return Int32Array.from(values, (x) => toInt(roundHalfAway(f32(x * factor))) + 1);
}

/** Four neighbours a byte. */
export const Q2_0: BlockCodec = {
  quantize(values, block) {
    const codes = ternary(values, block, 0).map((code) => Math.max(0, Math.min(3, code)));
    packPlanes(codes, block, 2, 1);
  },
  dequantize(block, values) {
    const d = getHalf(block, 0);
    unpackPlanes(block, 2, 1, new Uint8Array(values.length)).forEach((code, i) => {
      values[i] = (code - 1) * d;
    });
  },
};

export const TQ2_0: BlockCodec = {
  quantize: (values, block) => packPlanes(ternary(values, block, 64), block, 0, 32),
  dequantize(block, values) {
    const d = getHalf(block, 64);
    unpackPlanes(block, 0, 32, new Uint8Array(values.length)).forEach((code, i) => {
      values[i] = (code - 1) * d;
    });
  },
};

/** Runs of TQ1_0's bytes: byte m holds values first + m, first + m + count, … as base-3 digits. */
const TRIT_RUNS = [
  { at: 0, count: 32, first: 0, digits: 5 },
  { at: 32, count: 16, first: 160, digits: 5 },
  { at: 48, count: 4, first: 240, digits: 4 },
] as const;

/** Five digits a byte, as a fraction of 256 rounded up: the first is what 3 · byte overflows by. */
export const TQ1_0: BlockCodec = {
  quantize(values, block) {
    const codes = ternary(values, block, 52);
    for (const { at, count, first, digits } of TRIT_RUNS) {
      for (let m = 0; m < count; m++) {
        let number = 0;
        for (let n = 0; n < 5; n++) {
          const digit = n < digits ? (codes[first + m + n * count] as number) : 0;
          number = (3 * number + digit) & 255;
        }
        block[at + m] = Math.floor((number * 256 + 242) / 243);
      }
    }
  },
  dequantize(block, values) {
    const d = getHalf(block, 52);
    for (const { at, count, first, digits } of TRIT_RUNS) {
      for (let m = 0; m < count; m++) {
        let rest = block[at + m] as number;
        for (let n = 0; n < digits; n++) {
          values[first + m + n * count] = (((rest * 3) >> 8) - 1) * d;
          rest = (rest * 3) & 255;
        }
      }
    }
  },
};
