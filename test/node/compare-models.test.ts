/** Pairs of models: layouts, shards, transposed and missing tensors, NaN; samples for the report. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { dequantize, PlanError, quantize } from "../../src/index.ts";
import { figuresOf } from "../../src/metrics/comparison-figures.ts";
import {
  type ComparedReport,
  compareModels,
  dequantizeModel,
  type ModelComparison,
  quantizeModel,
} from "../../src/node/index.ts";
import { NF4, QUANT_TYPES } from "../../src/schemes/index.ts";
import {
  floatBytesAs,
  opaque,
  readFile,
  referenceFile,
  type TestTensor,
  weights,
} from "../checkpoint/safetensors-files.ts";
import { filesBelow, goldenFolder, temporaryFolder } from "../cli/quantwise.ts";
import { type NaiveOptions, naive } from "../tensor/naive.ts";
import {
  counts,
  expectFigures,
  figures,
  recordOf,
  transposed,
  valuesOf,
} from "./compare-oracle.ts";
import { llamaTensors, writeModel, writeShards } from "./models.ts";

// Two cores and other suites beside this one: slow is no failure.
vi.setConfig({ testTimeout: 60_000 });

function named(comparison: ModelComparison, name: string): ComparedReport {
  const found = comparison.tensors.find((tensor) => tensor.name === name);
  return found ?? expect.fail(`${name} was not compared`);
}

/** Expects that nothing differs. */
function expectEqual({ sums, name }: ComparedReport): void {
  const { mse, relativeRms, sqnrDb, cosine, largestError } = figuresOf(sums);
  expect({ name, mse, relativeRms, sqnrDb, largestError }).toEqual({
    name,
    mse: 0,
    relativeRms: 0,
    sqnrDb: Infinity,
    largestError: undefined,
  });
  expect(cosine).toBeCloseTo(1, 12);
}

describe("compressed-tensors", () => {
  const shapes = [
    [64, 128],
    [9, 192],
    [1, 64],
  ];
  it.each(
    (["F32", "BF16", "F16"] as const).flatMap((dtype) =>
      (["int4", "int8"] as const).flatMap((quantType) =>
        [
          { blockSize: 64, symmetric: false },
          { blockSize: 32, symmetric: true },
          { granularity: "channel" as const, symmetric: false },
          { granularity: "channel" as const, symmetric: true },
        ].map((more) => [dtype, { quantType, doubleQuant: false, ...more }] as const),
      ),
    ),
  )("%s, %j: scales as they are stored, rounded to the weights' dtype", async (dtype, options) => {
    const folder = temporaryFolder();
    const tensors = shapes.map((shape, i) =>
      weights(`m${i}.weight`, shape, dtype, { seed: 7 + i, deviation: 1 }),
    );
    const original = writeModel(join(folder, "original"), tensors);
    const quantized = join(folder, "quantized");
    const format = "compressed-tensors";
    await quantizeModel(original, quantized, { include: ["**"], format, ...options });
    const comparison = await compareModels(original, quantized);
    expect(comparison.tensors).toHaveLength(shapes.length);
    const scaleDtype = ({ F32: "float32", BF16: "bfloat16", F16: "float16" } as const)[dtype];
    for (const tensor of tensors) {
      const w = valuesOf(tensor);
      const given: NaiveOptions = { ...options, shape: tensor.shape, scaleDtype };
      const { restored, codes, scaleOf } = naive(w, given);
      const report = named(comparison, tensor.name);
      expectFigures(report, figures(w, restored));
      const ends = options.quantType === "int4" ? [0xf8, 7] : [0x80, 0x7f];
      const saturated = codes.filter((code) => ends.includes(code)).length;
      const clipped = w.filter((value, i) => {
        const error = Math.abs(value - (restored[i] as number));
        return error > (scaleOf(i) / 2) * (1 + 2 ** -10);
      }).length;
      expect(report.sums.saturated).toEqual({ count: saturated, elements: w.length });
      expect(report.sums.clipped).toEqual({ count: clipped, elements: w.length });
    }
  });
});

describe("golden checkpoints, which bitsandbytes wrote", () => {
  const original = goldenFolder("llama_tiny_bf16");
  const tensors = readFile(filesBelow(original).get("model.safetensors") as Buffer).tensors;

  it.each([
    ["llama_tiny_nf4_dq", { quantType: "nf4" }],
    ["llama_tiny_nf4", { quantType: "nf4", doubleQuant: false }],
    ["llama_tiny_fp4", { quantType: "fp4", doubleQuant: false }],
    ["llama_tiny_int8", { quantType: "llm-int8" }],
  ] as const)("%s", async (golden, options) => {
    const comparison = await compareModels(original, goldenFolder(golden));
    expect(comparison.tensors.map(({ name }) => name)).toEqual(tensors.map(({ name }) => name));
    for (const tensor of tensors) {
      const report = named(comparison, tensor.name);
      const isQuantized = /_proj\.weight$/.test(tensor.name);
      expect(report).toMatchObject({
        isQuantized,
        storedAs: isQuantized ? options.quantType : "BF16",
        dtype: "BF16",
        shape: tensor.shape,
      });
      if (isQuantized) {
        const w = valuesOf(tensor);
        const record = recordOf(tensor, options);
        expectFigures(report, figures(w, dequantize(record)));
        const { saturated, clipped } = counts(w, record);
        expect(report.sums.saturated.count).toBe(saturated);
        expect(report.sums.clipped.count).toBe(clipped);
      } else {
        expectEqual(report);
        expect(report.sums.saturated).toEqual({ count: 0, elements: 0 });
        expect(report.storedBytes).toBe(tensor.bytes.byteLength);
      }
    }
    const stored = comparison.tensors.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    expect(stored).toBe(comparison.quantizedBytes);
    const bytesOf = (list: readonly TestTensor[]) =>
      list.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
    const file = filesBelow(goldenFolder(golden)).get("model.safetensors") as Buffer;
    expect(comparison.quantizedBytes).toBe(bytesOf(readFile(file).tensors));
    expect(comparison.originalBytes).toBe(bytesOf(tensors));
  });

  it("differ by scales alone where bitsandbytes' CPU kernels nested them", async () => {
    const pair = ["llama_tiny_nf4_dq", "llama_tiny_nf4_dq_cpu_native"].map(goldenFolder);
    const { tensors: compared } = await compareModels(...(pair as [string, string]));
    for (const { sums } of compared) expect(figuresOf(sums).relativeRms).toBeLessThan(1e-2);
  });
});

describe("GPT-2, whose Conv1D is stored transposed when it is quantized", () => {
  const CONFIG = JSON.stringify({ model_type: "gpt2", architectures: ["GPT2LMHeadModel"] });
  const conv = [
    weights("transformer.h.0.attn.c_attn.weight", [48, 144], "F32", { seed: 1 }),
    // Square: its shape does not tell.
    weights("transformer.h.0.attn.c_proj.weight", [48, 48], "F32", { seed: 2 }),
    // More than a tile, on either side.
    weights("transformer.h.0.mlp.c_fc.weight", [515, 1030], "BF16", { seed: 3 }),
  ];
  const others = [
    weights("transformer.h.0.attn.c_attn.bias", [144], "F32", { seed: 4 }),
    weights("transformer.wte.weight", [50, 48], "F32", { seed: 5 }),
  ];
  const folder = temporaryFolder();
  const original = writeModel(join(folder, "original"), [...conv, ...others], CONFIG);

  it.each([
    ["nf4", { quantType: "nf4" }],
    ["llm-int8", { quantType: "llm-int8" }],
    ["int4, native", { quantType: "int4" }],
    ["mxfp4, native", { quantType: "mxfp4" }],
  ] as const)("%s", async (label, options) => {
    const quantized = join(folder, label);
    await quantizeModel(original, quantized, options);
    const forward = await compareModels(original, quantized);
    const backward = await compareModels(quantized, original);
    for (const tensor of conv) {
      const [rows, columns] = tensor.shape as [number, number];
      const flipped = transposed(tensor);
      const w = valuesOf(flipped);
      const record = recordOf(flipped, options);
      const r = dequantize(record);
      // An index is one in the original's own order.
      const found = figures(w, r);
      const at = found.largestIndex as number;
      const largestIndex = (at % rows) * columns + Math.floor(at / rows);
      const report = named(forward, tensor.name);
      expect(report.shape).toEqual(tensor.shape);
      expectFigures(report, { ...found, largestIndex });
      expect(report.sums.saturated.count).toBe(counts(w, record).saturated);
      expect(report.sums.clipped.count).toBe(counts(w, record).clipped);

      const back = named(backward, tensor.name);
      expect(back.shape).toEqual(flipped.shape);
      const inOrder = figures(valuesOf(tensor), transposedFloats(r, [columns, rows]));
      const backAt = inOrder.largestIndex as number;
      expectFigures(back, {
        ...figures(r, w),
        largestIndex: (backAt % columns) * rows + Math.floor(backAt / columns),
      });
    }
    for (const tensor of others) expectEqual(named(forward, tensor.name));
  });

  it("needs one config.json only: the original's, or else the quantized model's", async () => {
    const file = join(temporaryFolder(), "bare.safetensors");
    writeFileSync(file, referenceFile([...conv, ...others]));
    const quantized = join(folder, "nf4 for a bare file");
    await quantizeModel(original, quantized, { quantType: "nf4" });
    const { tensors } = await compareModels(file, quantized);
    for (const { sums } of tensors) expect(figuresOf(sums).relativeRms).toBeLessThan(0.2);
    await expect(compareModels(file, join(quantized, "model.safetensors"))).resolves.toBeDefined();
  });

  it("both quantized: neither is transposed", async () => {
    const [a, b] = [join(folder, "both nf4"), join(folder, "both int4")];
    await quantizeModel(original, a, { quantType: "nf4" });
    await quantizeModel(original, b, { quantType: "int4" });
    const comparison = await compareModels(a, b);
    for (const tensor of conv) {
      const flipped = transposed(tensor);
      const [x, y] = (["nf4", "int4"] as const).map((quantType) =>
        dequantize(recordOf(flipped, { quantType })),
      ) as [Float32Array, Float32Array];
      expectFigures(named(comparison, tensor.name), figures(x, y));
    }
  });
});

function transposedFloats(values: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  const bytes = floatBytesAs("F32", values);
  return valuesOf(
    transposed({ name: "", dtype: "F32", shape: [rows, columns] as number[], bytes }),
  );
}

describe("shards", () => {
  const tensors = llamaTensors({ layers: 2, dtype: "F16" });
  const folder = temporaryFolder();
  const single = writeModel(join(folder, "single"), tensors);
  const sharded = writeShards(join(folder, "sharded"), [
    tensors.filter((_, i) => i % 3 === 0),
    tensors.filter((_, i) => i % 3 === 1),
    tensors.filter((_, i) => i % 3 === 2),
  ]);

  it.each(["nf4", "llm-int8", "int4", "nvfp4"] as const)(
    "on either side are no other model: %s",
    async (quantType) => {
      const [whole, pieces] = [join(folder, `${quantType} 1`), join(folder, `${quantType} n`)];
      await quantizeModel(single, whole, { quantType });
      await quantizeModel(single, pieces, { quantType, maxShardSize: 20_000 });
      expect([...filesBelow(pieces).keys()].length).toBeGreaterThan(4);
      const byName = async (a: string, b: string) => {
        const { tensors: compared, ...rest } = await compareModels(a, b);
        const sorted = [...compared].sort((x, y) => (x.name < y.name ? -1 : 1));
        return { tensors: sorted, ...rest };
      };
      const expected = await byName(single, whole);
      expect(expected.tensors).toHaveLength(tensors.length);
      expect(await byName(sharded, whole)).toEqual(expected);
      expect(await byName(single, pieces)).toEqual(expected);
      expect(await byName(sharded, pieces)).toEqual(expected);
    },
  );
});

describe("a model compared with itself", () => {
  const folder = temporaryFolder();
  const tensors = [...llamaTensors(), opaque("position_ids", "I64", [1, 8])];
  const original = writeModel(join(folder, "original"), tensors);

  it("is equal, plain or quantized", async () => {
    const { tensors: compared, ...rest } = await compareModels(original, original);
    expect(compared).toHaveLength(tensors.length - 1);
    for (const report of compared) {
      expectEqual(report);
      expect(report).toMatchObject({ isQuantized: false, dtype: "BF16", storedAs: "BF16" });
    }
    expect(rest).toMatchObject({
      onlyOriginal: [],
      onlyQuantized: [],
      histograms: [],
      schemes: [],
    });
    for (const quantType of ["nf4", "llm-int8", "int4", "mxfp8", "dynamic8"] as const) {
      const quantized = join(folder, quantType);
      await quantizeModel(original, quantized, { quantType });
      const own = await compareModels(quantized, quantized);
      for (const report of own.tensors) expectEqual(report);
    }
  });

  it("is equal to its expanded self in float32", async () => {
    const [quantized, expanded] = [join(folder, "af4"), join(folder, "af4 expanded")];
    await quantizeModel(original, quantized, { quantType: "af4" });
    await dequantizeModel(quantized, expanded, { dtype: "float32" });
    for (const report of (await compareModels(quantized, expanded)).tensors) expectEqual(report);
    const { tensors: compared } = await compareModels(expanded, quantized);
    for (const report of compared) expectEqual(report);
    expect(compared.some(({ isQuantized, dtype }) => isQuantized && dtype === "F32")).toBe(true);
  });
});

describe("two quantized models", () => {
  const tensors = [
    weights("a.weight", [37, 75], "F32", { seed: 11 }),
    weights("b.weight", [523, 513], "BF16", { seed: 12 }),
  ];
  const folder = temporaryFolder();
  const original = writeModel(join(folder, "original"), tensors);
  // Blocks of the flat tensor, of rows, rows, columns: no tile of one is a tile of the other.
  const codings = [
    { quantType: "nf4" },
    { quantType: "dynamic8", blockSize: 1000 },
    { quantType: "llm-int8" },
    { quantType: "int4" },
    { quantType: "int8", granularity: "channel", axis: 1 },
    { quantType: "nvfp4" },
  ] as const;

  it.each(codings.flatMap((a, i) => codings.filter((_, k) => k !== i).map((b) => [a, b] as const)))(
    "%j and %j",
    async (a, b) => {
      const pathOf = async (coding: typeof a) => {
        const path = join(folder, coding.quantType);
        await quantizeModel(original, path, { include: ["**"], ...coding, overwrite: true });
        return path;
      };
      const comparison = await compareModels(await pathOf(a), await pathOf(b));
      for (const tensor of tensors) {
        const [x, y] = [a, b].map((coding) => dequantize(recordOf(tensor, coding)));
        const report = named(comparison, tensor.name);
        expect(report).toMatchObject({ dtype: a.quantType, storedAs: b.quantType });
        expectFigures(report, figures(x as Float32Array, y as Float32Array));
      }
    },
  );
});

describe("models that are not the same", () => {
  const folder = temporaryFolder();
  const a = weights("a.weight", [8, 8], "F32", { seed: 1 });
  const b = weights("b.weight", [8, 8], "F32", { seed: 2 });
  const model = (name: string, tensors: readonly TestTensor[]) =>
    writeModel(join(folder, name), tensors);

  it("tensors of one model only are named, those of both compared", async () => {
    const left = model("left", [a, b, opaque("ids", "I64", [4])]);
    const right = model("right", [b, weights("c.weight", [2], "F32"), opaque("mask", "BOOL", [4])]);
    const comparison = await compareModels(left, right);
    expect(comparison.tensors.map(({ name }) => name)).toEqual(["b.weight"]);
    expect(comparison.onlyOriginal).toEqual(["a.weight"]);
    expect(comparison.onlyQuantized).toEqual(["c.weight"]);
  });

  it("another shape is a PlanError that names the tensor and both shapes", async () => {
    const left = model("8x8", [b, a]);
    const right = model("4x16", [b, { ...a, shape: [4, 16] }]);
    const failure = compareModels(left, right);
    await expect(failure).rejects.toThrow(PlanError);
    await expect(failure).rejects.toThrow(/"a\.weight".*\[8, 8\].*\[4, 16\]/);
    const quantized = join(folder, "4x16 nf4");
    await quantizeModel(right, quantized, { include: ["**"] });
    await expect(compareModels(left, quantized)).rejects.toThrow(
      /"a\.weight".*\[8, 8\].*\[4, 16\]/,
    );
    // Transposed is no excuse in a Llama.
    const tall = model("16x4", [b, { ...a, shape: [16, 4] }]);
    await expect(compareModels(tall, quantized)).rejects.toThrow(PlanError);
  });

  it("nothing in common is a PlanError", async () => {
    await expect(compareModels(model("a", [a]), model("b", [b]))).rejects.toThrow(PlanError);
    const empty = model("empty", []);
    await expect(compareModels(empty, empty)).rejects.toThrow(PlanError);
  });

  it("empty tensors are compared, with no error", async () => {
    const none = { ...a, name: "none.weight", shape: [0, 8], bytes: new Uint8Array(0) };
    const scalar = { ...a, name: "scalar", shape: [], bytes: a.bytes.slice(0, 4) };
    const left = model("with empty ones", [none, scalar]);
    const { tensors } = await compareModels(left, left, { details: true });
    for (const report of tensors) expectEqual(report);
    expect(tensors.map(({ sums }) => sums.elements).sort()).toEqual([0, 1]);
  });

  it("zeros that became something: an infinite error, and no NaN", async () => {
    const zeros = { ...a, bytes: new Uint8Array(a.bytes.byteLength) };
    const { tensors } = await compareModels(model("zeros", [zeros]), model("not zeros", [a]));
    const found = figuresOf((tensors[0] as ComparedReport).sums);
    expect(found).toMatchObject({ relativeRms: Infinity, sqnrDb: -Infinity, cosine: 0 });
    const quantized = join(folder, "zeros nf4");
    await quantizeModel(join(folder, "zeros"), quantized, { include: ["**"] });
    expectEqual((await compareModels(join(folder, "zeros"), quantized)).tensors[0] as never);
  });
});

describe("NaN and infinity in the original", () => {
  const tensor = weights("a.weight", [64, 96], "F32", { seed: 21 });
  const values = valuesOf(tensor);
  for (const [i, bad] of [NaN, Infinity, -Infinity, NaN].entries()) values[1000 * i + 7] = bad;
  const spoiled = { ...tensor, bytes: floatBytesAs("F32", values) };
  const folder = temporaryFolder();
  const original = writeModel(join(folder, "original"), [spoiled]);

  it.each([
    { quantType: "nf4" },
    { quantType: "nf4", doubleQuant: false },
    { quantType: "fp4", doubleQuant: false },
    { quantType: "af4" },
    { quantType: "llm-int8" },
    { quantType: "dynamic8" },
    { quantType: "int4" },
    { quantType: "int8" },
    { quantType: "mxfp4" },
    { quantType: "nvfp4" },
    { quantType: "fp8-e4m3", granularity: "channel" },
    { quantType: "mxfp8-e5m2" },
  ] as const)("is in no sum: %j", async (options) => {
    const quantized = join(folder, JSON.stringify(options).replace(/\W+/g, "_"));
    await quantizeModel(original, quantized, { include: ["**"], allowNonFinite: true, ...options });
    const comparison = await compareModels(original, quantized, { details: true });
    const [report] = comparison.tensors as [ComparedReport];
    const restored = dequantize(
      quantize(values, { ...options, shape: [64, 96], allowNonFinite: true }),
    );
    expectFigures(report, figures(values, restored));
    expect(figuresOf(report.sums).nonFinite).toBeGreaterThanOrEqual(4);
    for (const { scale, counts: bins } of comparison.histograms) {
      expect(Number.isFinite(scale)).toBe(true);
      expect(bins.nonFinite).toBe(4);
    }
    for (const { bitsPerWeight, relativeRms } of comparison.schemes) {
      expect(Number.isFinite(bitsPerWeight) && Number.isFinite(relativeRms)).toBe(true);
    }
  });
});

describe("what a job tells", () => {
  const folder = temporaryFolder();
  const tensors = llamaTensors({ layers: 1 });
  const original = writeModel(join(folder, "original"), tensors);
  const quantized = join(folder, "quantized");

  it("plan, elements and tensors add up", async () => {
    await quantizeModel(original, quantized);
    const plans: object[] = [];
    const seen: string[] = [];
    let elements = 0;
    const { tensors: compared } = await compareModels(original, quantized, {
      onPlan: (plan) => plans.push(plan),
      onElements: (count) => {
        elements += count;
      },
      onTensor: ({ name }) => seen.push(name),
    });
    const all = tensors.reduce((sum, { bytes }) => sum + bytes.byteLength / 2, 0);
    expect(plans).toEqual([{ tensors: tensors.length, elements: all }]);
    expect(elements).toBe(all);
    expect(seen).toEqual(compared.map(({ name }) => name));
  });

  it("an aborted one throws the signal's reason, in every phase", async () => {
    const reason = new Error("enough");
    const details = { details: true };
    const early = compareModels(original, quantized, { signal: AbortSignal.abort(reason) });
    await expect(early).rejects.toBe(reason);
    const late = new AbortController();
    let left = tensors.length;
    const job = compareModels(original, quantized, {
      ...details,
      signal: late.signal,
      onTensor: () => {
        if (--left === 0) late.abort(reason);
      },
    });
    await expect(job).rejects.toBe(reason);
  });

  it("has the same bits from the reference kernels", async () => {
    const [wasm, reference] = await Promise.all(
      (["wasm", "reference"] as const).map((kernels) =>
        compareModels(original, quantized, { kernels, details: true }),
      ),
    );
    expect(reference).toEqual(wasm);
  });
});

describe("details", () => {
  const folder = temporaryFolder();
  const names = ["a.weight", "b.weight", "c.weight"];
  const tensors = names.map((name, i) =>
    weights(name, [64, 96], "F32", { seed: i + 1, deviation: i === 1 ? 0.2 : 0.02 }),
  );
  const norm = weights("norm", [96], "F32");
  const original = writeModel(join(folder, "original"), [...tensors, norm]);
  const quantized = join(folder, "quantized");
  const coded = { quantType: "nf4", doubleQuant: false } as const;

  it("a histogram of every weight of the worst tensor, and levels at the median scale", async () => {
    await quantizeModel(original, quantized, { include: ["**"], ...coded });
    const comparison = await compareModels(original, quantized, { details: true });
    expect(comparison.histograms).toHaveLength(1);
    const [histogram] = comparison.histograms as [(typeof comparison.histograms)[number]];
    const errors = comparison.tensors.map(({ sums }) => figuresOf(sums).relativeRms);
    const worst = errors.indexOf(Math.max(...errors));
    expect(histogram.tensor).toBe(names[worst]);
    expect(histogram).toMatchObject({ storedAs: "nf4", levels: [...NF4.levels] });
    const w = valuesOf(tensors[worst] as TestTensor);
    const { absmax } = quantize(w, coded);
    const scales = [...(absmax as Float32Array)].sort((x, y) => x - y);
    expect(histogram.scale).toBe(scales[scales.length >> 1]);
    const { lowest, highest, counts: bins, below, above, nonFinite } = histogram.counts;
    expect([lowest, highest]).toEqual([-2 * histogram.scale, 2 * histogram.scale]);
    const width = (highest - lowest) / bins.length;
    for (const [i, count] of bins.entries()) {
      const inBin = w.filter((x) => Math.floor((x - lowest) / width) === i).length;
      expect(Math.abs(count - inBin)).toBeLessThan(2);
    }
    expect(bins.reduce((sum, count) => sum + count, below + above + nonFinite)).toBe(w.length);
    expect(below).toBe(w.filter((x) => x < lowest).length);
  });

  it("histograms of chosen tensors, in the given order", async () => {
    const tensorNames = ["c.weight", "a.weight"];
    const options = { details: true, tensors: tensorNames };
    const { histograms } = await compareModels(original, quantized, options);
    expect(histograms.map(({ tensor }) => tensor)).toEqual(tensorNames);
    const { histograms: none } = await compareModels(original, quantized, { tensors: tensorNames });
    expect(none).toEqual([]);
  });

  it.each(["int4", "uint4", "int8", "uint8"] as const)(
    "levels of %s lie where its zero points put them",
    async (quantType) => {
      // Weights from 1 to 2 in every block: a zero point of 0 would put every level elsewhere.
      const values = Float32Array.from({ length: 4096 }, (_, i) => 1 + (i % 64) / 63);
      const shifted = {
        ...norm,
        name: "s.weight",
        shape: [64, 64],
        bytes: floatBytesAs("F32", values),
      };
      const model = writeModel(join(folder, `shifted ${quantType}`), [shifted]);
      const path = join(folder, `shifted as ${quantType}`);
      await quantizeModel(model, path, { include: ["**"], quantType });
      const { histograms } = await compareModels(model, path, { details: true });
      const { levels, scale, counts: bins } = histograms[0] as (typeof histograms)[number];
      // Scales span the range with 0, as ONNX has it.
      expect((levels[0] as number) * scale).toBeCloseTo(0, 1);
      expect((levels.at(-1) as number) * scale).toBeCloseTo(2, 1);
      expect(bins.below + bins.above).toBe(0);
    },
  );

  it.each(QUANT_TYPES)("levels of %s reach as far as the weights", async (quantType) => {
    const path = join(folder, `levels ${quantType}`);
    await quantizeModel(original, path, { include: ["**"], quantType });
    const { histograms } = await compareModels(original, path, {
      details: true,
      tensors: ["b.weight"],
    });
    const { levels, scale } = histograms[0] as (typeof histograms)[number];
    expect(levels).toEqual([...levels].sort((a, b) => a - b));
    const w = valuesOf(tensors[1] as TestTensor);
    const largest = w.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    for (const level of [levels[0] as number, levels.at(-1) as number]) {
      // Of 64 bell-shaped weights the largest is about half the largest of 6144.
      expect(Math.abs(level * scale) / largest).toBeGreaterThan(0.3);
      expect(Math.abs(level * scale) / largest).toBeLessThan(1.2);
    }
  });

  it("schemes: the error of each on the quantized weights, and its bits", async () => {
    const { schemes } = await compareModels(original, quantized, { details: true });
    const points = new Map(schemes.map((point) => [point.scheme, point]));
    expect(points.size).toBe(schemes.length);
    const w = tensors.map(valuesOf);
    const expectPoint = (scheme: string, options: object, bits: number) => {
      const r = w.map((x) => dequantize(quantize(x, { ...options, shape: [64, 96] })));
      const flat = (list: readonly Float32Array[]) => list.flatMap((x) => [...x]);
      const point = points.get(scheme) ?? expect.fail(`${scheme} is missing`);
      expect(point.relativeRms).toBeCloseTo(figures(flat(w), flat(r)).relativeRms, 12);
      expect(point.bitsPerWeight).toBeCloseTo(bits, 10);
    };
    expectPoint("nf4, block 64", coded, 4.5);
    expectPoint("nf4, block 64, double quantized", { quantType: "nf4" }, 4 + 8 / 64 + 64 / 6144);
    expectPoint("fp4, block 64, double quantized", { quantType: "fp4" }, 4 + 8 / 64 + 64 / 6144);
    expectPoint("llm-int8", { quantType: "llm-int8" }, 8 + 32 / 96);
    expectPoint("mxfp4, block 32", { quantType: "mxfp4" }, 4.25);
    expectPoint("nvfp4, block 16", { quantType: "nvfp4" }, 4.5 + 32 / 6144);
    expectPoint("mxfp8, block 32", { quantType: "mxfp8" }, 8.25);
    expectPoint("fp8-e4m3, per tensor", { quantType: "fp8-e4m3" }, 8 + 32 / 6144);
    // Rows of 96 are two blocks of 64 each.
    expectPoint("int8, block 64", { quantType: "int8" }, 8 + 64 / 48);
    const rows = { quantType: "int4", granularity: "channel" };
    expectPoint("int4, per channel of axis 0", rows, 4 + 64 / 96);
  });

  it("a row longer than a sample, a wide one, is sampled too", async () => {
    const wide = weights("wide.weight", [2, 300_001], "F32", { seed: 31 });
    const model = writeModel(join(folder, "wide"), [wide]);
    const path = join(folder, "wide nf4");
    await quantizeModel(model, path, { include: ["**"] });
    const { schemes, histograms } = await compareModels(model, path, { details: true });
    expect(schemes.length).toBeGreaterThan(15);
    expect(histograms[0]?.counts.counts.reduce((sum, count) => sum + count)).toBeGreaterThan(
      590_000,
    );
  });

  it("none for a model in which nothing is quantized", async () => {
    const { schemes, histograms } = await compareModels(original, original, { details: true });
    expect([schemes, histograms]).toEqual([[], []]);
  });
});

describe("config.json", () => {
  it("that is named goes before the original's", async () => {
    const folder = temporaryFolder();
    const tensor = weights("transformer.h.0.attn.c_attn.weight", [48, 144], "F32");
    const original = writeModel(join(folder, "model"), [tensor]);
    const config = join(folder, "gpt2.json");
    writeFileSync(config, '{"model_type":"gpt2","architectures":["GPT2LMHeadModel"]}');
    const quantized = join(folder, "quantized.safetensors");
    await quantizeModel(original, quantized, { config });
    await expect(compareModels(original, quantized)).rejects.toThrow(PlanError);
    const { tensors } = await compareModels(original, quantized, { config });
    expect(figuresOf((tensors[0] as ComparedReport).sums).relativeRms).toBeLessThan(0.2);
  });
});
