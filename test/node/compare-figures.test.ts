/** Figures of `compareModels` against weights and `dequantize(quantize())` in memory. */

import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { dequantize, type QuantizeOptions } from "../../src/index.ts";
import { addComparisons } from "../../src/metrics/comparison.ts";
import { figuresOf } from "../../src/metrics/comparison-figures.ts";
import {
  type ComparedReport,
  compareModels,
  type QuantizeModelOptions,
  quantizeModel,
} from "../../src/node/index.ts";
import { floatBytesAs, type TestTensor, weights } from "../checkpoint/safetensors-files.ts";
import { temporaryFolder } from "../cli/quantwise.ts";
import { counts, expectFigures, figures, recordOf, valuesOf } from "./compare-oracle.ts";
import { writeModel } from "./models.ts";

// Two cores and other suites beside this one: slow is no failure.
vi.setConfig({ testTimeout: 60_000 });

const CODINGS: readonly (readonly [label: string, options: QuantizeOptions])[] = [
  ["nf4, double quantized", { quantType: "nf4" }],
  ["nf4", { quantType: "nf4", doubleQuant: false, blockSize: 128 }],
  ["fp4", { quantType: "fp4", doubleQuant: false }],
  ["fp4, double quantized", { quantType: "fp4", blockSize: 32 }],
  ["af4", { quantType: "af4" }],
  ["dynamic8", { quantType: "dynamic8" }],
  ["dynamic8, odd blocks", { quantType: "dynamic8", blockSize: 99 }],
  ["llm-int8", { quantType: "llm-int8" }],
  ["int4, double quantized", { quantType: "int4" }],
  ["int4", { quantType: "int4", doubleQuant: false, blockSize: 33 }],
  ["int4, symmetric", { quantType: "int4", symmetric: true, doubleQuant: false }],
  ["int4, symmetric, double quantized", { quantType: "int4", symmetric: true }],
  ["int4 by tensor", { quantType: "int4", granularity: "tensor" }],
  ["int4 by rows", { quantType: "int4", granularity: "channel" }],
  ["int4 by columns", { quantType: "int4", granularity: "channel", axis: 1 }],
  ["uint4", { quantType: "uint4" }],
  ["int8", { quantType: "int8" }],
  ["int8 by columns", { quantType: "int8", granularity: "channel", axis: 1, symmetric: true }],
  ["uint8, double quantized", { quantType: "uint8", doubleQuant: true }],
  ["mxfp4", { quantType: "mxfp4" }],
  ["mxfp8", { quantType: "mxfp8" }],
  ["mxfp8-e5m2", { quantType: "mxfp8-e5m2" }],
  ["nvfp4", { quantType: "nvfp4" }],
  ["fp8-e4m3", { quantType: "fp8-e4m3" }],
  ["fp8-e4m3 in blocks", { quantType: "fp8-e4m3", granularity: "block" }],
  ["fp8-e5m2 by columns", { quantType: "fp8-e5m2", granularity: "channel", axis: 1 }],
];

/** Cubes of bell-shaped values: outliers, as models have them. */
function spiky(name: string, shape: readonly number[], dtype: "F32" | "BF16" | "F16"): TestTensor {
  const tensor = weights(name, shape, "F32", { seed: name.charCodeAt(0), deviation: 0.5 });
  const cubes = new Float32Array(tensor.bytes.slice().buffer).map((w) => 0.02 * w ** 3);
  return { name, dtype, shape, bytes: floatBytesAs(dtype, cubes) };
}

/** Whole blocks and rows; short last blocks; rows that end inside a block, or a byte. */
const SMALL = [
  [64, 64],
  [37, 75],
  [1, 1],
  [5, 1],
  [3, 4097],
];

function smallModel(dtype: "F32" | "BF16" | "F16", isFlat: boolean): TestTensor[] {
  const shapes = isFlat ? SMALL : [...SMALL, [3, 5, 7]];
  return shapes.map((shape, i) => spiky(`${"abcdef"[i]}.weight`, shape, dtype));
}

/** More than a tile of 2¹⁸ elements, in rows that a tile cuts, and in rows longer than a tile. */
const LARGE = [spiky("x.weight", [523, 513], "F32"), spiky("y.weight", [2, 300_001], "BF16")];

/** Quantizes everything, compares, and holds each tensor against the oracle. */
async function check(
  tensors: readonly TestTensor[],
  options: QuantizeOptions,
  more: QuantizeModelOptions = {},
): Promise<readonly ComparedReport[]> {
  const folder = temporaryFolder();
  const original = writeModel(join(folder, "original"), tensors);
  const quantized = join(folder, "quantized");
  await quantizeModel(original, quantized, { include: ["**"], ...options, ...more });
  const comparison = await compareModels(original, quantized);
  expect(comparison.onlyOriginal).toEqual([]);
  expect(comparison.onlyQuantized).toEqual([]);
  expect(comparison.tensors.map(({ name }) => name)).toEqual(tensors.map(({ name }) => name));
  for (const [i, report] of comparison.tensors.entries()) {
    const tensor = tensors[i] as TestTensor;
    const w = valuesOf(tensor);
    const record = recordOf(tensor, { ...options, ...more });
    expectFigures(report, figures(w, dequantize(record)));
    const { saturated, clipped } = counts(w, record);
    const of = (count: number) => ({ count, elements: w.length });
    expect([report.name, report.sums.saturated], "saturated").toEqual([report.name, of(saturated)]);
    expect([report.name, report.sums.clipped], "clipped").toEqual([report.name, of(clipped)]);
    expect(report).toMatchObject({
      shape: tensor.shape,
      dtype: tensor.dtype,
      storedAs: options.quantType,
      isQuantized: true,
    });
  }
  return comparison.tensors;
}

describe.each(CODINGS)("%s", (_, options) => {
  it.each(["F32", "BF16", "F16"] as const)("of %s", async (dtype) => {
    await check(smallModel(dtype, options.quantType === "llm-int8"), options);
  });

  it("of tensors larger than a tile", async () => {
    await check(LARGE, options);
  });
});

describe("clipped weights", () => {
  it("are there to be found: where scales are rounded down, and nowhere else", async () => {
    const clippedBy = async (options: QuantizeOptions) => {
      const reports = await check([spiky("x.weight", [64, 512], "F32")], options);
      return reports[0]?.sums.clipped.count;
    };
    expect(await clippedBy({ quantType: "nf4" })).toBeGreaterThan(5);
    expect(await clippedBy({ quantType: "int4" })).toBeGreaterThan(5);
    expect(await clippedBy({ quantType: "mxfp4" })).toBeGreaterThan(10);
    expect(await clippedBy({ quantType: "nf4", doubleQuant: false })).toBe(0);
    expect(await clippedBy({ quantType: "llm-int8" })).toBe(0);
    expect(await clippedBy({ quantType: "fp8-e4m3" })).toBe(0);
  });
});

describe("weights that went on after they were quantized", () => {
  it.each(CODINGS)("%s", async (_, options) => {
    const folder = temporaryFolder();
    const then = spiky("x.weight", [64, 300], "F32");
    const drifted = valuesOf(then).map((w, i) => w * (1 + (i % 17) / 100));
    const now = { ...then, bytes: floatBytesAs("F32", drifted) };
    const original = writeModel(join(folder, "now"), [now]);
    const quantized = join(folder, "quantized");
    await quantizeModel(writeModel(join(folder, "then"), [then]), quantized, {
      include: ["**"],
      ...options,
    });
    const [report] = (await compareModels(original, quantized)).tensors as [ComparedReport];
    const record = recordOf(then, options);
    expectFigures(report, figures(drifted, dequantize(record)));
    const { saturated, clipped } = counts(drifted, record);
    expect(report.sums).toMatchObject({
      saturated: { count: saturated },
      clipped: { count: clipped },
    });
    // Levels of E5M2 and of one scale for all lie too far apart for it.
    const isCoarse = options.quantType?.endsWith("e5m2") || options.granularity === "tensor";
    if (!isCoarse) expect(clipped).toBeGreaterThan(50);
  });
});

describe("totals", () => {
  it("are the figures of all elements of all tensors, put together", async () => {
    const tensors = smallModel("BF16", false);
    const reports = await check(tensors, { quantType: "mxfp4" });
    const w = tensors.flatMap((tensor) => [...valuesOf(tensor)]);
    const r = tensors.flatMap((tensor) => [
      ...dequantize(recordOf(tensor, { quantType: "mxfp4" })),
    ]);
    const sums = addComparisons(reports.map((report) => report.sums));
    const { largestIndex, ...expected } = figures(w, r);
    const [report] = reports as [ComparedReport];
    const { index, tensor } = sums.largestError as NonNullable<typeof sums.largestError>;
    const before = tensors.slice(0, tensor).reduce((sum, each) => sum + valuesOf(each).length, 0);
    expect(before + index).toBe(largestIndex);
    expectFigures({ ...report, sums }, { ...expected, largestIndex: index });
    expect(figuresOf(sums).elements).toBe(w.length);
  });
});
