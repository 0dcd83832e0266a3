import { describe, expect, it } from "vitest";
import { dequantize, type QuantizeOptions, quantize } from "../../src/index.ts";
import { ErrorSampler, type QuantizationError } from "../../src/metrics/quantization-error.ts";
import { newWorkspace } from "../../src/tensor/default-workspace.ts";
import { newEncoder } from "../../src/tensor/new-encoder.ts";
import { codingOf } from "../../src/tensor/options.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";

/** Encodes tile by tile, with the error measured on the way. */
function measured(weights: Float32Array, options: QuantizeOptions): QuantizationError {
  const encoder = newEncoder(newWorkspace("wasm"), {
    coding: codingOf(options),
    dtype: "float32",
    shape: options.shape ?? [weights.length],
    measureError: true,
  });
  for (let start = 0; start < weights.length; ) {
    const count = encoder.tileAt(start);
    const tile = weights.slice(start, start + count);
    encoder.input(0, count).set(new Uint8Array(tile.buffer));
    encoder.encode(0, count);
    start += count;
  }
  const { error } = encoder.finish();
  if (error === undefined) throw new Error("no error was measured");
  return error;
}

/** The same from the decoded weights. */
function actual(weights: Float32Array, options: QuantizeOptions): QuantizationError {
  const decoded = dequantize(quantize(weights, options));
  let error = 0;
  let energy = 0;
  for (const [i, weight] of weights.entries()) {
    error += (weight - (decoded[i] as number)) ** 2;
    energy += weight ** 2;
  }
  return {
    relativeRms: Math.sqrt(error / energy),
    mse: error / weights.length,
    sampledElements: weights.length,
  };
}

describe("the measured error", () => {
  const weights = normalFloats(64 * 700 + 31, 5);
  const rows = 3;
  const matrix = weights.subarray(0, rows * 10_001);

  it.each([
    ["nf4", { quantType: "nf4", doubleQuant: false }],
    ["nf4, nested", { quantType: "nf4" }],
    ["fp4", { quantType: "fp4", doubleQuant: false }],
    ["fp4, nested, cuda", { quantType: "fp4", mode: "cuda" }],
    ["nf4, block 4096", { quantType: "nf4", blockSize: 4096 }],
  ] as const)("is that of the decoded weights: %s", (_, options) => {
    const got = measured(weights, options);
    const expected = actual(weights, options);
    expect(got.relativeRms).toBeCloseTo(expected.relativeRms, 6);
    expect(got.mse / expected.mse).toBeCloseTo(1, 4);
    expect(got.sampledElements).toBe(weights.length);
  });

  it("is that of the decoded weights: llm-int8", () => {
    const options: QuantizeOptions = { quantType: "llm-int8", shape: [rows, 10_001] };
    const got = measured(matrix, options);
    expect(got.relativeRms / actual(matrix, options).relativeRms).toBeCloseTo(1, 3);
  });

  it("is near the truth when only every so many blocks are looked at", () => {
    const many = normalFloats(5_000_000, 6);
    const options: QuantizeOptions = { quantType: "nf4" };
    const got = measured(many, options);
    expect(got.sampledElements).toBeLessThan(1_200_000);
    expect(got.sampledElements).toBeGreaterThan(800_000);
    expect(got.relativeRms / actual(many, options).relativeRms).toBeCloseTo(1, 2);
  });

  it("is 0 for zeros and for weights that the levels hit", () => {
    expect(measured(new Float32Array(1000), { quantType: "nf4" })).toMatchObject({
      relativeRms: 0,
      mse: 0,
    });
    const exact = Float32Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 0.5 : -0.5));
    expect(measured(exact, { quantType: "nf4", doubleQuant: false }).relativeRms).toBe(0);
  });
});

describe("ErrorSampler", () => {
  it("takes every block of a small tensor, and a bounded number of a large one", () => {
    expect(new ErrorSampler(10, 64).stride).toBe(1);
    const huge = new ErrorSampler(2 ** 31, 64);
    expect(2 ** 31 / huge.stride).toBeLessThanOrEqual((1 << 20) / 64);
    expect(new ErrorSampler(0, 64).finish(() => 1)).toEqual({
      relativeRms: 0,
      mse: 0,
      sampledElements: 0,
    });
  });
});
