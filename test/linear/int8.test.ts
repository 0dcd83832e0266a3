import { describe, expect, it } from "vitest";
import { dequantize, type QuantizeOptions, quantize } from "../../src/index.ts";
import { linear } from "../../src/linear/index.ts";
import { bitsOf, normals } from "./data.ts";
import { naiveLinear } from "./naive.ts";

const int8 = { activations: "int8" } as const;

const OPTIONS: readonly QuantizeOptions[] = [
  { quantType: "nf4" },
  { quantType: "nf4", blockSize: 4096, doubleQuant: false },
  { quantType: "fp4", blockSize: 32 },
  { quantType: "af4" },
  { quantType: "mxfp4" },
  { quantType: "int8", granularity: "tensor" },
  { quantType: "int8", granularity: "channel", symmetric: true },
  { quantType: "uint8", granularity: "block", blockSize: 64 },
  { quantType: "int4", granularity: "block", blockSize: 32, symmetric: true },
  { quantType: "uint4", granularity: "channel" },
  { quantType: "llm-int8" },
  { quantType: "llm-int8", outlierColumns: [0, 1, 33] },
];

describe.each(OPTIONS.map((options) => [JSON.stringify(options), options] as const))(
  "%s",
  (_, options) => {
    it.each([
      [5, 64],
      [8, 4096],
      [1, 8192],
      [3, 1120],
    ])("%i × %i: WASM gives the bits of the reference", (rows, columns) => {
      const weights = normals(rows * columns, rows + columns);
      const record = quantize(weights, { ...options, shape: [rows, columns] } as never);
      const bias = normals(rows, 3);
      for (const batch of [1, 3]) {
        const x = normals(batch * columns, batch);
        const wasm = linear(x, record, { ...int8, bias, kernels: "wasm" });
        const reference = linear(x, record, { ...int8, bias, kernels: "reference" });
        expect(bitsOf(wasm)).toEqual(bitsOf(reference));
      }
    });
  },
);

describe("int8 activations", () => {
  const shape = [64, 2048];
  const weights = normals(64 * 2048, 1);
  const x = normals(4 * 2048, 2);

  it.each([
    ["nf4", 0.012],
    ["fp4", 0.012],
    ["int8", 0.011],
    ["int4", 0.011],
    ["llm-int8", 0.011],
    ["mxfp4", 0.011],
  ] as const)("%s: the error that docs/linear.md states", (quantType, largest) => {
    const record = quantize(weights, { quantType, shape } as never);
    const exact = naiveLinear(x, record);
    const fast = linear(x, record, int8);
    const relative = rms(fast.map((y, i) => y - (exact[i] as number))) / rms(exact);
    expect(relative).toBeLessThan(largest);
    expect(relative).toBeGreaterThan(0.001);
  });

  it("are exact where activations and weights are small integers", () => {
    const integers = Float32Array.from({ length: 64 * 128 }, (_, i) => (i % 255) - 127);
    const record = quantize(integers, { quantType: "llm-int8", shape: [64, 128] });
    const small = Float32Array.from({ length: 128 }, (_, i) => 127 - 2 * i);
    const expanded = dequantize(record);
    const expected = (r: number) =>
      small.reduce((sum, value, c) => sum + value * (expanded[r * 128 + c] as number), 0);
    for (const [r, y] of linear(small, record, int8).entries()) {
      expect(Math.abs(y - expected(r))).toBeLessThan(1e-6 * 127 * 127 * 128);
    }
  });

  it("are summed exactly where all are as large as can be", () => {
    const columns = 4096;
    const signs = Float32Array.from({ length: columns }, (_, i) => (i % 3 === 0 ? -1 : 1));
    const rows = Float32Array.from([...signs, ...signs.map((sign) => -sign)]);
    for (const quantType of ["nf4", "int4", "llm-int8"] as const) {
      const record = quantize(rows, { quantType, shape: [2, columns] } as never);
      for (const x of [signs, signs.map((sign) => -sign), new Float32Array(columns).fill(-1)]) {
        const wasm = linear(x, record, { ...int8, kernels: "wasm" });
        const reference = linear(x, record, { ...int8, kernels: "reference" });
        expect(bitsOf(wasm)).toEqual(bitsOf(reference));
        expect(Math.abs(wasm[0] as number)).toBeGreaterThan(columns / 4);
      }
    }
  });

  it("of a row of zeros give zeros, of NaN and infinity NaN, of the others what they are", () => {
    const record = quantize(weights, { shape });
    const rows = new Float32Array(5 * 2048);
    rows[2048] = NaN;
    rows[2 * 2048 + 7] = -Infinity;
    rows.set(x.subarray(0, 2048), 3 * 2048);
    // 127 / absmax overflows.
    rows[4 * 2048] = 1e-40;
    for (const kernels of ["wasm", "reference"] as const) {
      const y = linear(rows, record, { ...int8, kernels });
      expect(y.subarray(0, 64)).toEqual(new Float32Array(64));
      expect(bitsOf(y.subarray(64, 192)).every((bits) => bits === 0x7fc00000)).toBe(true);
      const alone = linear(x.subarray(0, 2048), record, { ...int8, kernels });
      expect(bitsOf(y.subarray(192, 256))).toEqual(bitsOf(alone));
      expect(y.subarray(256)).toEqual(new Float32Array(64));
    }
  });

  it("are refused where the kernels cannot take them", () => {
    for (const quantType of ["dynamic8", "mxfp8", "nvfp4"] as const) {
      const record = quantize(weights, { quantType, shape } as never);
      expect(() => linear(x, record, int8)).toThrow(/^activations: expected "float" for/);
    }
    const odd = quantize(normals(33, 1), { shape: [1, 33] });
    expect(() => linear(normals(33, 2), odd, int8)).toThrow(/shape \[1, 33\].*received "int8"/);
  });
});

function rms(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}
