/** MXFP4 and NVFP4: codes of E2M1, and a scale that is a small float itself. */

import { bitsToF32, f32ToBits } from "../../../foundation/half.ts";
import { E2M1_DOUBLED } from "../../../schemes/ggml/levels.ts";
import { log2Floor } from "../../../schemes/ggml/log2-floor.ts";
import { absmax, f32, toInt } from "./arithmetic.ts";
import { type BlockCodec, packHalves, unpackHalves } from "./codec.ts";

/** The code of least error; of equals the first, so that −0 is never written. */
function nearestCode(x: number, scale: number): number {
  let best = 0;
  let least = Math.abs(x);
  for (let code = 1; code < 16; code++) {
    const level = f32((E2M1_DOUBLED[code] as number) * scale);
    const error = Math.abs(f32(level - x));
    if (error < least) {
      best = code;
      least = error;
    }
  }
  return best;
}

/** Half of 2^(e − 127), because the levels are doubled. */
export function mxScale(e: number): number {
  return 2 ** (e - 128);
}

/** Exponents that no byte can hold are clamped to 0: blocks below 2^-125. */
export const MXFP4: BlockCodec = {
  quantize(values, block) {
    const amax = absmax(values);
    const e = amax < 2 ** -126 ? 0 : Math.max(0, log2Floor(f32ToBits(amax)) - 2 + 127);
    block[0] = e;
    const scale = mxScale(e);
    packHalves(
      Array.from(values, (x) => nearestCode(x, scale)),
      block,
      1,
    );
  },
  dequantize(block, values) {
    const scale = mxScale(block[0] as number);
    unpackHalves(block, 1, new Uint8Array(32)).forEach((code, i) => {
      values[i] = (E2M1_DOUBLED[code] as number) * scale;
    });
  },
};

/** E4M3 without a sign, half a step rounded up; what is not above 0 is 0, 448 the largest. */
function toE4m3(value: number): number {
  if (!(value > 0)) return 0;
  const bits = f32ToBits(Math.min(value, 448));
  const exponent = (bits >>> 23) - 127 + 7;
  if (exponent <= 0) return Math.min(7, toInt(f32(f32(value * 512) + 0.5)));
  const rounded = (exponent << 3) + ((((bits >>> 19) & 15) + 1) >> 1);
  return exponent >= 15 || rounded >= 15 << 3 ? 0x7e : rounded;
}

/** Half of the number, as `mxScale`; NaN's code is 0 here. */
export function e4m3Scale(code: number): number {
  if (code === 0 || code === 0x7f) return 0;
  const exponent = (code >> 3) & 15;
  if (exponent === 0) return (code & 7) * 2 ** -10;
  return bitsToF32(((exponent - 8 + 127) << 23) | ((code & 7) << 20));
}

const GROUP = 16;

export const NVFP4: BlockCodec = {
  quantize(values, block) {
    for (let group = 0; group < 4; group++) {
      const part = values.subarray(GROUP * group, GROUP * (group + 1));
      const code = toE4m3(f32(absmax(part) / 6));
      block[group] = code;
      const scale = e4m3Scale(code);
      packHalves(
        Array.from(part, (x) => nearestCode(x, scale)),
        block,
        4 + 8 * group,
      );
    }
  },
  dequantize(block, values) {
    const codes = new Uint8Array(GROUP);
    for (let group = 0; group < 4; group++) {
      const scale = e4m3Scale(block[group] as number);
      unpackHalves(block, 4 + 8 * group, codes).forEach((code, i) => {
        values[GROUP * group + i] = (E2M1_DOUBLED[code] as number) * scale;
      });
    }
  },
};
