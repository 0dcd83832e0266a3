/** Tensors of one tile: places of the caller, and many at once. */

import { describe, expect, it } from "vitest";
import { type QuantizeOptions, quantize, quantizeBatch } from "../../src/index.ts";
import { QUANT_TYPES } from "../../src/schemes/registry.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";
import { errorOf } from "../checkpoint/streams.ts";

const codebooks = ["nf4", "fp4", "af4", "dynamic8"] as const;
/** Whole blocks, half codes, one value, none; and more than a tile. */
const LENGTHS = [0, 1, 63, 64, 65, 4097, 300_001];

describe.each(codebooks)("%s into the caller's arrays", (quantType) => {
  const doubleQuant = quantType === "dynamic8" ? {} : { doubleQuant: false };
  const options: QuantizeOptions = { quantType, blockSize: 64, ...doubleQuant };

  it.each(LENGTHS)("of %i values", (length) => {
    const weights = normalFloats(length, length);
    for (const kernels of ["wasm", "reference"] as const) {
      if (kernels === "reference" && length > 5000) continue;
      const expected = quantize(weights, { ...options, kernels, allowNonFinite: true });
      const codes = new Uint8Array(expected.codes.length).fill(0xa5);
      const absmax = new Float32Array(Math.ceil(length / 64)).fill(7);
      const record = quantize(weights, { ...options, kernels, out: { codes, absmax } });
      expect(record).toEqual(expected);
      expect(record.codes).toBe(codes);
      expect((record as { absmax: unknown }).absmax).toBe(absmax);
    }
  });

  it("tells of NaN as without them", async () => {
    const weights = normalFloats(130, 5);
    weights[100] = NaN;
    const out = {
      codes: new Uint8Array(quantType === "dynamic8" ? 130 : 65),
      absmax: new Float32Array(3),
    };
    const error = await errorOf((async () => quantize(weights, { ...options, out }))());
    expect(error).toMatchObject({ code: "NON_FINITE", index: 100 });
    const allowed = { ...options, allowNonFinite: true };
    expect(quantize(weights, { ...allowed, out })).toEqual(quantize(weights, allowed));
  });
});

describe("out", () => {
  const weights = normalFloats(128, 1);
  const codes = new Uint8Array(64);
  const absmax = new Float32Array(2);
  it.each([
    [{ codes, absmax }, {}, /out: expected none, except for a codebook without doubleQuant/],
    [{ codes, absmax }, { quantType: "int8" }, /out: expected none/],
    [
      { codes, absmax },
      { quantType: "llm-int8", shape: [2, 64] },
      /out: expected none for llm-int8/,
    ],
    [
      { codes: codes.subarray(1), absmax },
      { doubleQuant: false },
      /out.codes: expected 64 elements, received 63/,
    ],
    [
      { codes, absmax: new Float32Array(3) },
      { doubleQuant: false },
      /out.absmax: expected 2 elements, received 3/,
    ],
    [
      { codes: new Uint16Array(64), absmax },
      { doubleQuant: false },
      /out.codes: expected a Uint8Array/,
    ],
    [{ codes }, { doubleQuant: false }, /out.absmax: expected a Float32Array, received undefined/],
  ])("%o is refused with %o", (out, options, message) => {
    expect(() => quantize(weights, { ...options, out } as never)).toThrow(message);
  });
});

describe("quantizeBatch", () => {
  const tensors = [64, 1, 0, 130, 64].map((length, i) => normalFloats(length, i));

  it.each([
    { doubleQuant: false },
    ...QUANT_TYPES.filter((quantType) => quantType !== "llm-int8").map((quantType) => ({
      quantType,
    })),
  ] as QuantizeOptions[])("gives what quantize gives: %o", (options) => {
    const records = quantizeBatch(tensors, options);
    expect(records).toEqual(tensors.map((weights) => quantize(weights, options)));
  });

  it("of many whole blocks, more than a tile, with odd ones among them", () => {
    const many = Array.from({ length: 60 }, (_, i) =>
      normalFloats(i % 50 === 7 ? 65 : 64 * (1 + ((i * 37) % 200)), i),
    );
    for (const quantType of ["nf4", "fp4"] as const) {
      const options = { quantType, doubleQuant: false };
      for (const [i, record] of quantizeBatch(many, options).entries()) {
        const expected = quantize(many[i] as Float32Array, options);
        expect({ ...record, codes: 0, absmax: 0 }).toEqual({ ...expected, codes: 0, absmax: 0 });
        expect(Buffer.compare(record.codes, expected.codes)).toBe(0);
        expect(record.absmax).toEqual(expected.absmax);
      }
    }
  });

  it("takes arrays of several dtypes, and tells of NaN as quantize does", () => {
    const options = { doubleQuant: false };
    const halves = new Uint16Array(64).fill(0x3c00);
    expect(() => quantizeBatch([tensors[0] as Float32Array, halves], options)).toThrow(/dtype/);
    const broken = Float32Array.from({ length: 64 }, (_, i) => (i === 9 ? NaN : i));
    const list = [tensors[0] as Float32Array, broken, tensors[0] as Float32Array];
    expect(() => quantizeBatch(list, options)).toThrow(/element 9 is NaN/);
    const allowed = { ...options, allowNonFinite: true };
    expect(quantizeBatch(list, allowed)).toEqual(list.map((w) => quantize(w, allowed)));
    expect(() => quantizeBatch(list, { ...options, shape: [5] })).toThrow(/shape/);
  });

  it("has a shape for all, and dtypes of 16 bits", () => {
    const options = { shape: [2, 32], dtype: "bfloat16", quantType: "nf4" } as const;
    const halves = [1, 2].map((seed) => new Uint16Array(64).map((_, i) => 0x3f80 + i * seed));
    expect(quantizeBatch(halves, options)).toEqual(halves.map((w) => quantize(w, options)));
    expect(quantizeBatch([])).toEqual([]);
  });

  it("refuses what is no array of weights", () => {
    expect(() => quantizeBatch(new Float32Array(64) as never)).toThrow(
      /tensors: expected an array/,
    );
    expect(() => quantizeBatch([[1, 2]] as never)).toThrow(/weights: expected a Float32Array/);
  });
});
