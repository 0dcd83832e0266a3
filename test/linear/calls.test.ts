import { describe, expect, it } from "vitest";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../src/foundation/half.ts";
import { ArgumentError, quantize } from "../../src/index.ts";
import { linear, prepareLinear } from "../../src/linear/index.ts";
import { bitsOf, normals } from "./data.ts";

const shape = [16, 128];
const record = quantize(normals(16 * 128, 1), { shape });
const x = normals(3 * 128, 2);

describe("linear", () => {
  it("writes into out and returns it", () => {
    const out = new Float32Array(48);
    expect(linear(x, record, { out })).toBe(out);
    expect(bitsOf(out)).toEqual(bitsOf(linear(x, record)));
  });

  it.each([
    ["float16", f32ToF16, f16ToF32],
    ["bfloat16", f32ToBf16, bf16ToF32],
  ] as const)("takes and gives %s", (dtype, narrow, widen) => {
    const halves = Uint16Array.from(x, narrow);
    const bias = Uint16Array.from(normals(16, 5), narrow);
    const wide = { x: Float32Array.from(halves, widen), bias: Float32Array.from(bias, widen) };
    const expected = linear(wide.x, record, { bias: wide.bias });
    expect(bitsOf(linear(halves, record, { dtype, bias }))).toEqual(bitsOf(expected));
    const out = linear(halves, record, { dtype, bias, out: new Uint16Array(48) });
    expect([...out]).toEqual([...expected].map(narrow));
  });

  it("takes no rows, and weights without columns or rows", () => {
    expect(linear(new Float32Array(0), record)).toEqual(new Float32Array(0));
    const none = quantize(new Float32Array(0), { shape: [0, 64] });
    expect(linear(normals(64, 1), none).length).toBe(0);
    const narrow = quantize(new Float32Array(0), { shape: [4, 0] });
    expect(linear(new Float32Array(0), narrow).length).toBe(0);
  });

  it("goes through a large batch in pieces", () => {
    const many = normals(300 * 128, 3);
    const y = linear(many, record);
    const last = linear(many.subarray(299 * 128), record);
    expect(bitsOf(y.subarray(299 * 16))).toEqual(bitsOf(last));
  });

  it("follows IEEE 754 with NaN and infinity, and writes one NaN", () => {
    const broken = x.slice();
    broken[5] = NaN;
    broken[128 + 5] = Infinity;
    for (const kernels of ["wasm", "reference"] as const) {
      const y = linear(broken, record, { kernels });
      expect(bitsOf(y.subarray(0, 16)).every((bits) => bits === 0x7fc00000)).toBe(true);
      expect(y.subarray(16, 32).some((value) => Math.abs(value) === Infinity)).toBe(true);
      expect(bitsOf(y.subarray(32))).toEqual(bitsOf(linear(x, record).subarray(32)));
    }
  });

  it.each([
    [() => linear(x.subarray(1), record), "x: expected rows of 128 elements"],
    [() => linear(x, record, { bias: new Float32Array(3) }), "bias: expected 16 elements"],
    [() => linear(x, record, { out: new Float32Array(47) }), "out: expected 48 elements, 3 × 16"],
    [() => linear(new Uint16Array(128), record), 'dtype: expected "float16" or "bfloat16"'],
    [() => linear(x, record, { activations: "int4" as never }), "activations: expected"],
    [
      () => linear(x, quantize(x, { shape: [3, 2, 64] })),
      "quantized.shape: expected [rows, columns]",
    ],
    [() => linear(x, { ...record, codes: new Uint8Array(3) }), "quantized.codes: expected"],
    [() => linear(x, null as never), "quantized: expected a record"],
    [() => prepareLinear(record, { kernels: "gpu" as never }), "kernels: expected"],
  ])("refuses what does not fit: %#", (call, message) => {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(message);
  });
});

describe("prepareLinear", () => {
  it("says what it holds", () => {
    const weights = prepareLinear(record, { kernels: "wasm" });
    expect(weights.shape).toEqual(shape);
    expect(weights.quantType).toBe("nf4");
    expect(weights.kernels.name).toBe("wasm");
    expect(weights.byteCount).toBe((16 * 128) / 2 + 4 * 32);
    expect(prepareLinear(quantize(normals(99, 1), { shape: [3, 33] })).byteCount).toBe(0);
    weights.dispose();
  });

  it("copies: the record is not needed afterwards", () => {
    const own = { ...record, codes: record.codes.slice() };
    const weights = prepareLinear(own);
    own.codes.fill(0);
    expect(bitsOf(linear(x, weights))).toEqual(bitsOf(linear(x, record)));
    weights.dispose();
  });

  it("refuses disposed weights; a second dispose does nothing", () => {
    const weights = prepareLinear(record);
    weights.dispose();
    weights.dispose();
    expect(() => linear(x, weights)).toThrow(/^weights: expected weights that were not disposed/);
  });

  it("gives memory out again", () => {
    const keeper = prepareLinear(record, { kernels: "reference" });
    const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);
    const expected = sum(linear(x, keeper));
    for (let i = 0; i < 50; i++) {
      const rows = 1 + ((i * 7) % 40);
      const other = quantize(normals(rows * 128, i), { shape: [rows, 128], quantType: "int8" });
      const weights = prepareLinear(other, { kernels: "reference" });
      linear(x, weights);
      if (i % 3 !== 0) weights.dispose();
      expect(sum(linear(x, keeper))).toBe(expected);
    }
    keeper.dispose();
  });
});
