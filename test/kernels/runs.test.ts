/** What affine integers, small floats and nibbles are, in examples, for every kernel set. */

import { describe, expect, it } from "vitest";
import type { ScaleRuns } from "../../src/kernels/kernel-set.ts";
import { INT4, INT8, UINT4, UINT8 } from "../../src/schemes/affine.ts";
import { E2M1, E4M3, E5M2, type FloatFormat, floatLevels } from "../../src/schemes/float-format.ts";
import { IMPLEMENTATIONS } from "./implementations.ts";
import { RunHarness } from "./run-calls.ts";
import { FLOAT_FORMATS } from "./run-cases.ts";

const fl = Math.fround;
const ONE: ScaleRuns = {
  rowLength: 1024,
  runLength: 1024,
  startColumn: 0,
  firstScale: 0,
  scaleCount: 1,
};
const scale1 = Float32Array.of(1);
const floatsOf = (bytes: Uint8Array) => [...new Float32Array(bytes.buffer)];
const signed = (bytes: Uint8Array) => [...new Int8Array(bytes.buffer)];

describe.each(IMPLEMENTATIONS)("$name", ({ create }) => {
  const harness = new RunHarness(create(), 1024);

  describe("runs", () => {
    it("start over in each row and take the scales in turn", () => {
      // Rows of 5 in runs of 2, from the last column of a row on: 1 | 2 2 1 | 2 2 1 elements.
      const runs = { rowLength: 5, runLength: 2, startColumn: 4, firstScale: 2, scaleCount: 4 };
      const codes = new Uint8Array(11).fill(1);
      const scales = Float32Array.of(10, 20, 30, 40);
      const values = harness.dequantizeAffine(UINT8, codes, scales, undefined, runs);
      expect(floatsOf(values)).toEqual([30, 40, 40, 10, 10, 20, 30, 30, 40, 40, 10]);
    });

    it("begin inside one where a call does", () => {
      const runs = { rowLength: 8, runLength: 4, startColumn: 3, firstScale: 0, scaleCount: 3 };
      const codes = new Uint8Array(6).fill(1);
      const scales = Float32Array.of(10, 20, 30);
      const values = harness.dequantizeAffine(UINT8, codes, scales, undefined, runs);
      expect(floatsOf(values)).toEqual([10, 20, 20, 20, 20, 30]);
    });
  });

  describe("affine integers", () => {
    const parameters = (...call: Parameters<RunHarness["parameters"]>) =>
      harness.parameters(...call).map((bytes) => floatsOf(bytes)[0]);

    it("have a range that holds finite values only", () => {
      const values = Float32Array.of(3, NaN, -2, Infinity, -Infinity, -0);
      const { min, max, finite } = harness.range(values, new Float32Array(1), new Float32Array(1), {
        ...ONE,
      });
      expect([floatsOf(min), floatsOf(max), finite]).toEqual([[-2], [3], false]);
    });

    it.each([
      { format: UINT8, min: -1, max: 3, scale: fl(4 / 255), zeroPoint: 64 },
      { format: INT8, min: -1, max: 3, scale: fl(4 / 255), zeroPoint: -64 },
      { format: UINT4, min: 0, max: 15, scale: 1, zeroPoint: 0 },
      { format: INT4, min: -15, max: 0, scale: 1, zeroPoint: 7 },
      { format: INT8, min: 0, max: 0, scale: 1, zeroPoint: -128 },
      { format: UINT8, min: -1e-45, max: 0, scale: 2 ** -126, zeroPoint: 0 },
    ])("$format.name of $min … $max", ({ format, min, max, scale, zeroPoint }) => {
      const range = [Float32Array.of(min), Float32Array.of(max)] as const;
      expect(parameters(format, false, ...range)).toEqual([scale, zeroPoint]);
    });

    it("have a finite scale where the range is too wide for f32", () => {
      const largest = 3.4028234663852886e38;
      const range = [Float32Array.of(-largest), Float32Array.of(largest)] as const;
      const part = fl(largest / 255);
      expect(parameters(UINT8, false, ...range)).toEqual([fl(part + part), 128]);
    });

    it("are scaled by the larger side where symmetric", () => {
      const range = [Float32Array.of(-4), Float32Array.of(3)] as const;
      expect(parameters(INT4, true, ...range)).toEqual([fl(4 / 7), undefined]);
    });

    it("round ties to even, saturate, and take NaN as code 0", () => {
      const values = Float32Array.of(0.5, 1.5, 2.5, -0.5, -2.5, 1e9, -Infinity, NaN, 126.5, 7);
      const codes = (zeroPoint: number) =>
        signed(harness.quantizeAffine(INT8, values, scale1, Float32Array.of(zeroPoint), ONE));
      expect(codes(0)).toEqual([0, 2, 2, 0, -2, 127, -128, 0, 126, 7]);
      expect(codes(5)).toEqual([5, 7, 7, 5, 3, 127, -128, 0, 127, 12]);
    });

    it("divide, where the product with the inverse would be another code", () => {
      const scale = fl(0.00138);
      const value = fl(scale * 2.5);
      expect([fl(value / scale), fl(value * fl(1 / scale))]).toEqual([2.5, 2.500000238418579]);
      const scales = Float32Array.of(scale);
      const codes = harness.quantizeAffine(INT8, Float32Array.of(value), scales, undefined, ONE);
      expect(signed(codes)).toEqual([2]);
    });
  });

  describe.each(FLOAT_FORMATS)("$name", (format) => {
    it("gives every level its own code, also when scaled", () => {
      const levels = [...floatLevels(format)];
      const codes = levels.map((_, code) => code).filter((code) => Number.isFinite(levels[code]));
      for (const scale of [1, 2 ** -20, 2 ** 90]) {
        const values = Float32Array.from(codes, (code) => (levels[code] as number) * scale);
        const found = harness.quantizeFloat(format, values, Float32Array.of(scale), ONE);
        expect([...found]).toEqual(codes);
        const back = harness.dequantizeFloat(format, found, Float32Array.of(scale), ONE);
        expect(floatsOf(back)).toEqual([...values]);
      }
    });

    it("saturates, keeps the sign of zero, and has a code for NaN", () => {
      const values = Float32Array.of(Infinity, -Infinity, 3e38, -3e38, 0, -0, -1e-45, NaN, -NaN);
      const { bits, largestCode: top, nanCode: nan } = format;
      const sign = 1 << (bits - 1);
      const codes = harness.quantizeFloat(format, values, scale1, ONE);
      expect([...codes]).toEqual([top, top + sign, top, top + sign, 0, sign, sign, nan, nan]);
    });
  });

  it("sends ties to the even code", () => {
    const codesOf = (format: FloatFormat, values: number[]) => [
      ...harness.quantizeFloat(format, Float32Array.from(values), scale1, ONE),
    ];
    expect(codesOf(E2M1, [0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5])).toEqual([0, 2, 2, 4, 4, 6, 6]);
    const tiny = 2 ** -10;
    expect(codesOf(E4M3, [tiny, 3 * tiny, 17 / 16, 19 / 16])).toEqual([0, 2, 0x38, 0x3a]);
    expect(codesOf(E5M2, [tiny / 128, 3 * (tiny / 128), 1.125, 1.375])).toEqual([0, 2, 0x3c, 0x3e]);
  });

  it("E5M2 decodes infinity, and every NaN as the canonical one", () => {
    const codes = Uint8Array.of(0x7c, 0xfc, 0x7d, 0x7f, 0xff);
    const words = new Uint32Array(harness.dequantizeFloat(E5M2, codes, scale1, ONE).buffer);
    expect([...words]).toEqual([0x7f800000, 0xff800000, 0x7fc00000, 0x7fc00000, 0x7fc00000]);
  });

  it("packs the even element in the low nibble", () => {
    const packed = harness.packNibbles(Uint8Array.of(0xf1, 0x02, 0xfd));
    expect([...packed]).toEqual([0x21, 0x0d]);
    expect([...harness.unpackNibbles(packed, 3, false)]).toEqual([1, 2, 13]);
    expect(signed(harness.unpackNibbles(packed, 3, true))).toEqual([1, 2, -3]);
  });
});
