import { describe, expect, it } from "vitest";
import { f16ToF32, f32ToF16 } from "../../src/foundation/half.ts";
import { dequantize, findOutlierColumns, quantize } from "../../src/index.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";

const TOKENS = 8;
const COLUMNS = 64;
const ROWS = 16;
const LOUD = [3, 40];

const activations = normalFloats(TOKENS * COLUMNS, 1);
for (const column of LOUD) activations[5 * COLUMNS + column] = 30 + column;
// An emergent feature: the weights that meet it are large as well.
const weights = normalFloats(ROWS * COLUMNS, 2);
for (let row = 0; row < ROWS; row++) {
  for (const column of LOUD) weights[row * COLUMNS + column] = 20 + row / 4;
}
const shape = [ROWS, COLUMNS];

/** X·Wᵀ */
function product(x: Float32Array, w: Float32Array): Float64Array {
  const out = new Float64Array(TOKENS * ROWS);
  for (let token = 0; token < TOKENS; token++) {
    for (let row = 0; row < ROWS; row++) {
      let sum = 0;
      for (let i = 0; i < COLUMNS; i++) {
        sum += (x[token * COLUMNS + i] as number) * (w[row * COLUMNS + i] as number);
      }
      out[token * ROWS + row] = sum;
    }
  }
  return out;
}

function distance(a: Float64Array, b: Float64Array): number {
  return Math.sqrt(a.reduce((sum, value, i) => sum + (value - (b[i] as number)) ** 2, 0));
}

describe("findOutlierColumns", () => {
  it("finds the columns that pass the threshold, by default 6", () => {
    expect([...findOutlierColumns(activations, { shape: [TOKENS, COLUMNS] })]).toEqual(LOUD);
    const all = findOutlierColumns(activations, { shape: [TOKENS, COLUMNS], threshold: 1e-6 });
    expect(all).toHaveLength(COLUMNS);
  });

  it.each([
    ["shape", { shape: [COLUMNS] }],
    ["shape", { shape: [TOKENS, COLUMNS + 1] }],
    ["threshold", { shape: [TOKENS, COLUMNS], threshold: 0 }],
    ["threshold", { shape: [TOKENS, COLUMNS], threshold: NaN }],
  ])("refuses a wrong %s", (argument, options) => {
    const act = () => findOutlierColumns(activations, options);
    expect(act).toThrow(expect.objectContaining({ code: "ARGUMENT", argument }));
  });
});

describe.each(["reference", "wasm"] as const)("weights with columns in 16 bits, %s", (kernels) => {
  const outlierColumns = findOutlierColumns(activations, { shape: [TOKENS, COLUMNS] });
  const kept = quantize(weights, { quantType: "llm-int8", shape, outlierColumns, kernels });

  it("keeps these columns as float16 and codes the others as if they were not there", () => {
    const others = weights.map((w, i) => (LOUD.includes(i % COLUMNS) ? 0 : w));
    const alone = quantize(others, { quantType: "llm-int8", shape, kernels });
    expect(kept.codes).toEqual(alone.codes);
    expect(kept.scb).toEqual(alone.scb);
    expect(kept.outlierColumns).toEqual(outlierColumns);
    expect(kept.outlierWeights).toHaveLength(ROWS * LOUD.length);
  });

  it("gives them back, in every dtype", () => {
    const restored = dequantize(kept, { kernels });
    const halves = dequantize(kept, { kernels, dtype: "float16" });
    for (let row = 0; row < ROWS; row++) {
      for (const column of LOUD) {
        const at = row * COLUMNS + column;
        const rounded = f32ToF16(weights[at] as number);
        expect(restored[at]).toBe(f16ToF32(rounded));
        expect(halves[at]).toBe(rounded);
      }
    }
    expect(dequantize(kept, { kernels, dtype: "bfloat16" })).toHaveLength(weights.length);
  });

  it("spares the product most of its error", () => {
    const exact = product(activations, weights);
    const plain = quantize(weights, { quantType: "llm-int8", shape, kernels });
    const before = distance(exact, product(activations, dequantize(plain, { kernels })));
    const after = distance(exact, product(activations, dequantize(kept, { kernels })));
    expect(after).toBeLessThan(before / 4);
  });

  it.each([
    ["outlierColumns[0]", { outlierColumns: [COLUMNS] }],
    ["outlierColumns[1]", { outlierColumns: [3, 3] }],
    ["outlierColumns[0]", { outlierColumns: [0.5] }],
    ["threshold", { outlierColumns: [3], threshold: 6 }],
  ])("refuses a wrong %s", (argument, options) => {
    const act = () => quantize(weights, { quantType: "llm-int8", shape, kernels, ...options });
    expect(act).toThrow(expect.objectContaining({ code: "ARGUMENT", argument }));
  });

  it("refuses a record whose parts do not fit", () => {
    const short = { ...kept, outlierWeights: (kept.outlierWeights as Uint16Array).subarray(1) };
    expect(() => dequantize(short)).toThrow(/quantized.outlierWeights: expected 32 elements/);
    const { outlierColumns: _, ...lost } = kept;
    expect(() => dequantize(lost)).toThrow(/quantized.outlierColumns/);
  });
});

it("is refused for other quant types", () => {
  const act = () => quantize(weights, { quantType: "int8", outlierColumns: [1] });
  expect(act).toThrow(/outlierColumns: expected none for int8/);
});

it("refuses an outlier weight that float16 cannot hold", () => {
  const loud = weights.slice();
  loud[LOUD[1] as number] = 1e6;
  const act = () => quantize(loud, { quantType: "llm-int8", shape, outlierColumns: LOUD });
  expect(act).toThrow(/element 40 is 1000000, which float16 cannot hold/);
});
