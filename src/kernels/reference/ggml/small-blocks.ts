/** Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0: 32 values, one scale, maybe a minimum. */

import { absmax, extreme, f32, inverse, roundHalfAway, toInt, toInt8 } from "./arithmetic.ts";
import { type BlockCodec, getHalf, packHalves, setHalf, unpackHalves } from "./codec.ts";

const VALUES = 32;

/** 4-bit codes, or 5-bit ones whose fifth bits come first, bit i of four bytes for value i. */
type Bits = 4 | 5;

function putCodes(codes: Uint8Array, bits: Bits, block: Uint8Array, at: number): void {
  if (bits === 4) {
    packHalves(codes, block, at);
    return;
  }
  block.fill(0, at, at + 4);
  codes.forEach((code, i) => {
    block[at + (i >> 3)] = (block[at + (i >> 3)] as number) | (((code >> 4) & 1) << (i & 7));
  });
  packHalves(
    codes.map((code) => code & 15),
    block,
    at + 4,
  );
}

function takeCodes(block: Uint8Array, bits: Bits, at: number): Uint8Array {
  const codes = new Uint8Array(VALUES);
  if (bits === 4) return unpackHalves(block, at, codes);
  return unpackHalves(block, at + 4, codes).map(
    (code, i) => code | ((((block[at + (i >> 3)] as number) >> (i & 7)) & 1) << 4),
  );
}

/** d = extreme / −2^(bits − 1), the code of 0 in the middle. Codes come of d before it is rounded. */
function centred(bits: Bits): BlockCodec {
  const middle = 1 << (bits - 1);
  const highest = 2 * middle - 1;
  return {
    quantize(values, block) {
      const d = f32(extreme(values) / -middle);
      const factor = inverse(d);
      setHalf(block, 0, d);
      const codes = Uint8Array.from(values, (x) => {
        const code = toInt8(toInt(f32(f32(x * factor) + (middle + 0.5))));
        return Math.min(highest, code);
      });
      putCodes(codes, bits, block, 2);
    },
    dequantize(block, values) {
      const d = getHalf(block, 0);
      takeCodes(block, bits, 2).forEach((code, i) => {
        values[i] = (code - middle) * d;
      });
    },
  };
}

/** d = (largest − smallest) / highest, and the smallest value. */
function ranged(bits: Bits): BlockCodec {
  const highest = (1 << bits) - 1;
  return {
    quantize(values, block) {
      let smallest = values[0] as number;
      let largest = smallest;
      for (const x of values) {
        if (x < smallest) smallest = x;
        if (x > largest) largest = x;
      }
      const d = f32(f32(largest - smallest) / highest);
      const factor = inverse(d);
      setHalf(block, 0, d);
      setHalf(block, 2, smallest);
      const codes = Uint8Array.from(values, (x) => {
        const code = toInt(f32(f32(f32(x - smallest) * factor) + 0.5));
        return bits === 4 ? Math.min(highest, toInt8(code)) : code & 255;
      });
      putCodes(codes, bits, block, 4);
    },
    dequantize(block, values) {
      const d = getHalf(block, 0);
      const smallest = getHalf(block, 2);
      takeCodes(block, bits, 4).forEach((code, i) => {
        values[i] = f32(code * d) + smallest;
      });
    },
  };
}

export const Q4_0: BlockCodec = /* @__PURE__ */ centred(4);
export const Q5_0: BlockCodec = /* @__PURE__ */ centred(5);
export const Q4_1: BlockCodec = /* @__PURE__ */ ranged(4);
export const Q5_1: BlockCodec = /* @__PURE__ */ ranged(5);

export const Q8_0: BlockCodec = {
  quantize(values, block) {
    const d = f32(absmax(values) / 127);
    const factor = inverse(d);
    setHalf(block, 0, d);
    values.forEach((x, i) => {
      block[2 + i] = toInt(roundHalfAway(f32(x * factor)));
    });
  },
  dequantize(block, values) {
    const d = getHalf(block, 0);
    for (let i = 0; i < VALUES; i++) values[i] = toInt8(block[2 + i] as number) * d;
  },
};
