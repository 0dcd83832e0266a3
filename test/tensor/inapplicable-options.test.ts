import { describe, expect, it } from "vitest";
import {
  dequantize,
  type QuantizedTensor,
  type QuantizeOptions,
  quantize,
} from "../../src/index.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";

const weights = normalFloats(256, 1);
const shape = [4, 64];

describe("an option that cannot apply", () => {
  it.each([
    ["threshold", { threshold: 6 }],
    ["threshold", { quantType: "dynamic8", threshold: 6 }],
    ["nestedOffset", { nestedOffset: 0.5, doubleQuant: false }],
    ["nestedOffset", { nestedOffset: 0.5, quantType: "dynamic8" }],
    ["nestedOffset", { nestedOffset: 0.5, quantType: "llm-int8", shape }],
    ["code", { code: new Float32Array(256), quantType: "llm-int8", shape }],
  ] as const)("is refused, not forgotten: %s", (argument, options) => {
    expect(() => quantize(weights, options as QuantizeOptions)).toThrow(
      expect.objectContaining({ code: "ARGUMENT", argument }),
    );
  });
});

describe("an offset", () => {
  it.each([NaN, Infinity, "1"])("that is no finite number is refused: %s", (nestedOffset) => {
    const options = { nestedOffset } as QuantizeOptions;
    expect(() => quantize(weights, options)).toThrow(
      expect.objectContaining({ code: "ARGUMENT", argument: "nestedOffset" }),
    );
  });

  it("is an f32 in the record", () => {
    expect(quantize(weights, { nestedOffset: 0.1 }).nested?.offset).toBe(Math.fround(0.1));
  });
});

describe("a shape that is no list", () => {
  it("is refused by name", () => {
    const shaped = { shape: 256 } as unknown as QuantizeOptions;
    expect(() => quantize(weights, shaped)).toThrow(
      expect.objectContaining({ code: "ARGUMENT", argument: "shape" }),
    );
    const record = { ...quantize(weights), shape: undefined } as unknown as QuantizedTensor;
    expect(() => dequantize(record)).toThrow(expect.objectContaining({ code: "ARGUMENT" }));
  });
});
