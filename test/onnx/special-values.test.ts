/**
 * NaN, infinity and quotients beyond 32 bits, together with zero points other than 0.
 *
 * Where ONNX Runtime 1.30 (its WebAssembly build) clamps before it converts to an integer, it does
 * what the kernels do: infinity saturates, NaN becomes code 0, whatever the zero point.
 *
 * It converts first in two places: in blocks along an axis that is not the last, and for 4-bit
 * codes that share their byte with another run's, or have it to themselves. There NaN becomes the
 * zero point, and the sum wraps: quotients from 2^31 − zeroPoint on become the lowest code, and
 * those to −2^31 − zeroPoint the highest. The kernels do not follow it there; finite weights never
 * get that far with a scale that was made for them.
 */

import { describe, expect, it } from "vitest";
import type { AffineFormat } from "../../src/schemes/affine.ts";
import { sameBytes } from "../kernels/calls.ts";
import { AFFINE_FORMATS } from "../kernels/run-cases.ts";
import { COLUMN_BLOCKS, countsOf, EVEN_LAYOUTS, LAST_AXIS, type Layout } from "./cuts.ts";
import { parametersOf, quantizeHere, SETS } from "./here.ts";
import { quantizeLinear } from "./onnx-runtime.ts";

const EXTREME = [NaN, Infinity, -Infinity, 3.4e38, -3.4e38, 2 ** 31, -(2 ** 31)];
const NEARLY = [2 ** 31 - 128, -(2 ** 31) + 128, 1e9, -1e9];

const zeroPointsOf = ({ signed }: AffineFormat) => (signed ? [3, -3] : [3]);

function bothAnswers(format: AffineFormat, layout: Layout, extremes: number[], zeroPoint: number) {
  const [count, scaleCount] = countsOf(layout);
  const values = Float32Array.from(
    { length: count },
    (_, i) => extremes[i % extremes.length] as number,
  );
  const scales = new Float32Array(scaleCount).fill(1);
  const zeroPoints = new Float32Array(scaleCount).fill(zeroPoint);
  const parameters = parametersOf(format, layout, scales, zeroPoints);
  const { shape, cut } = layout;
  const here = SETS.map(({ name, harness }) => ({
    name,
    codes: quantizeHere(harness, format, layout, values, scales, zeroPoints),
  }));
  return { values, here, there: quantizeLinear(format.name, shape, values, parameters, cut) };
}

/** Conversion to 32 bits, which saturates and makes NaN 0, then a sum that wraps. */
function convertedFirst({ lowest, highest }: AffineFormat, value: number, zeroPoint: number) {
  const whole = Number.isNaN(value) ? 0 : Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1);
  return Math.min(Math.max((whole + zeroPoint) | 0, lowest), highest) & 0xff;
}

describe.each(AFFINE_FORMATS)("$name with zero points", (format) => {
  const is4Bit = format.bits === 4;
  const agreeing = is4Bit ? EVEN_LAYOUTS : [...EVEN_LAYOUTS, LAST_AXIS];
  const differing = is4Bit ? [...COLUMN_BLOCKS, LAST_AXIS] : COLUMN_BLOCKS;

  it.each(agreeing)("$name: NaN is code 0, the rest saturates", async (layout) => {
    for (const zeroPoint of zeroPointsOf(format)) {
      const { values, here, there } = bothAnswers(format, layout, EXTREME, zeroPoint);
      const expected = await there;
      expect(expected.filter((_, i) => Number.isNaN(values[i])).every((code) => code === 0)).toBe(
        true,
      );
      for (const { name, codes } of here) sameBytes(codes, expected, name);
    }
  });

  it.each(differing)("$name: the runtime converts first", async (layout) => {
    for (const zeroPoint of zeroPointsOf(format)) {
      const { values, there } = bothAnswers(format, layout, EXTREME, zeroPoint);
      const wrapped = Uint8Array.from(values, (value) => convertedFirst(format, value, zeroPoint));
      sameBytes(await there, wrapped, "the runtime");
    }
  });

  it.each(differing)("$name: up to 2^31 both agree", async (layout) => {
    for (const zeroPoint of zeroPointsOf(format)) {
      const { here, there } = bothAnswers(format, layout, NEARLY, zeroPoint);
      const expected = await there;
      for (const { name, codes } of here) sameBytes(codes, expected, name);
    }
  });
});
