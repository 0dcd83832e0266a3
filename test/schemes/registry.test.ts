/** The registry of schemes, and AF4's levels. */

import { describe, expect, it } from "vitest";
import { dequantize, quantize } from "../../src/index.ts";
import { AF4 } from "../../src/schemes/af4.ts";
import { midpointDecision } from "../../src/schemes/codebook.ts";
import { QUANT_TYPES, SCHEMES } from "../../src/schemes/index.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";
import { family } from "../kernels/cases.ts";

describe("the registry", () => {
  it("has every quant type under its public name", () => {
    expect(QUANT_TYPES).toEqual(
      (
        "nf4 fp4 af4 dynamic8 llm-int8 int4 int8 uint4 uint8 " +
        "mxfp4 mxfp8 mxfp8-e5m2 nvfp4 fp8-e4m3 fp8-e5m2"
      ).split(" "),
    );
  });

  it.each(QUANT_TYPES)("tells the bits of %s, which its codes have", (quantType) => {
    const { bits } = SCHEMES[quantType];
    const record = quantize(normalFloats(4096, 1), { quantType, shape: [64, 64] });
    expect(record.codes.byteLength).toBe((4096 * bits) / 8);
  });

  it.each(["int4", "int8", "uint4", "uint8"] as const)("has the range of %s", (quantType) => {
    const { format, bits } = SCHEMES[quantType];
    expect(format).toMatchObject({ name: quantType, bits, signed: quantType.startsWith("int") });
    expect(format.highest - format.lowest).toBe(2 ** bits - 1);
    expect(format.lowest).toBe(format.signed ? -(2 ** (bits - 1)) : 0);
  });
});

describe("AF4", () => {
  const { levels } = AF4;

  it("has sixteen ascending levels from −1 to 1, 0 among them", () => {
    expect(levels).toHaveLength(16);
    expect([levels[0], levels[7], levels[15]]).toEqual([-1, 0, 1]);
    for (let code = 1; code < 16; code++) {
      expect(levels[code]).toBeGreaterThan(levels[code - 1] as number);
    }
  });

  it("is finer than NF4 near 0, and so better where a block has an outlier", () => {
    const weights = family("normal", 64 * 1024, 5);
    for (let i = 0; i < weights.length; i += 64) weights[i] = 12;
    const errorOf = (quantType: "af4" | "nf4") => {
      const restored = dequantize(quantize(weights, { quantType, doubleQuant: false }));
      return weights.reduce((sum, w, i) => sum + Math.abs(w - (restored[i] as number)), 0);
    };
    expect(errorOf("af4")).toBeLessThan(errorOf("nf4") * 0.9);
  });

  it("gives a weight the nearest level, the lower code on a tie", () => {
    const { midpoints } = midpointDecision(AF4);
    for (const kernels of ["wasm", "reference"] as const) {
      // The block's largest weight is 1: weights are levels.
      const weights = new Float32Array(64);
      weights.set(levels);
      weights.set(midpoints, 16);
      weights.set(
        midpoints.map((x) => Math.fround(x + 2 ** -20)),
        31,
      );
      const { codes } = quantize(weights, { quantType: "af4", doubleQuant: false, kernels });
      const code = (i: number) => ((codes[i >> 1] as number) >> (i % 2 === 0 ? 4 : 0)) & 15;
      const wanted = Array.from({ length: 16 }, (_, i) => i);
      expect(wanted.map(code)).toEqual(wanted);
      expect(wanted.slice(0, 15).map((i) => code(16 + i))).toEqual(wanted.slice(0, 15));
      expect(wanted.slice(0, 15).map((i) => code(31 + i))).toEqual(wanted.slice(1));
    }
  });

  it("has no word of its own in mode cuda: the midpoints decide there, too", () => {
    const weights = normalFloats(64 * 64, 6);
    const torch = quantize(weights, { quantType: "af4", doubleQuant: false });
    const cuda = quantize(weights, { quantType: "af4", doubleQuant: false, mode: "cuda" });
    expect(dequantize(cuda)).toEqual(dequantize(torch));
  });
});
