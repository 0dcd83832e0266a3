import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { dequantize, FormatError, StorageError } from "../../src/index.ts";
import {
  type InspectedModel,
  type InspectedTensor,
  inspectModel,
  type QuantizeModelOptions,
  quantizeModel,
} from "../../src/node/index.ts";
import {
  fileInOrder,
  floatBytesAs,
  opaque,
  readFile,
  referenceFile,
  type TestTensor,
  weights,
} from "../checkpoint/safetensors-files.ts";
import { recordOf, valuesOf } from "../node/compare-oracle.ts";
import { llamaTensors, writeModel, writeShards } from "../node/models.ts";
import { goldenFolder, quantwise, temporaryFolder } from "./quantwise.ts";

// Two cores and other suites beside this one: slow is no failure.
vi.setConfig({ testTimeout: 60_000 });

const cli = fileURLToPath(new URL("../../build/js/cli.js", import.meta.url));
const folder = temporaryFolder();
const tensors = [...llamaTensors({ layers: 1 }), opaque("position_ids", "I64", [8])];
const original = writeModel(join(folder, "original"), tensors);

/** Bytes behind the headers of all files of a model, read without the code under test. */
function dataBytes(model: string): number {
  const names = readdirSync(model).filter((name) => name.endsWith(".safetensors"));
  return names.reduce((sum, name) => {
    const file = readFileSync(join(model, name));
    return sum + file.byteLength - readFile(file).dataStart;
  }, 0);
}

/** Expects that sizes and counts add up, to the byte. */
function expectSums(found: InspectedModel, bytes: number): void {
  const sum = (of: (tensor: InspectedTensor) => number) =>
    found.tensors.reduce((total, tensor) => total + of(tensor), 0);
  expect(sum((tensor) => tensor.bytes)).toBe(bytes);
  expect(found.bytes).toBe(bytes);
  expect(sum((tensor) => tensor.elements)).toBe(found.elements);
  expect(found.bitsPerWeight).toBe((8 * bytes) / found.elements);
  for (const { elements, bytes: own, bitsPerWeight, shape } of found.tensors) {
    expect(shape.reduce((product, extent) => product * extent, 1)).toBe(elements);
    expect(bitsPerWeight).toBe(elements === 0 ? 0 : (8 * own) / elements);
  }
  for (const key of ["tensors", "elements", "bytes"] as const) {
    const all = found.schemes.reduce((total, scheme) => total + scheme[key], 0);
    expect(all).toBe(key === "tensors" ? found.tensors.length : found[key]);
  }
  const sizes = found.schemes.map((scheme) => scheme.bytes);
  expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
}

describe("what is stored", () => {
  const WORDS: readonly (readonly [
    words: string,
    layout: string,
    options: QuantizeModelOptions,
  ])[] = [
    ["nf4, block 64, double quantized", "bitsandbytes", { quantType: "nf4" }],
    ["nf4, block 128", "bitsandbytes", { doubleQuant: false, blockSize: 128 }],
    ["nf4, block 64", "bitsandbytes", { doubleQuant: false, quantStorage: "bfloat16" }],
    ["fp4, block 64, double quantized", "bitsandbytes", { quantType: "fp4" }],
    ["llm-int8", "bitsandbytes", { quantType: "llm-int8" }],
    ["nf4, block 64, double quantized", "native", { format: "native" }],
    ["llm-int8", "native", { quantType: "llm-int8", format: "native" }],
    ["af4, block 64, double quantized", "native", { quantType: "af4" }],
    ["dynamic8, block 4096", "native", { quantType: "dynamic8" }],
    ["int4, block 64, double quantized", "native", { quantType: "int4" }],
    ["int4, block 100", "native", { quantType: "int4", doubleQuant: false, blockSize: 100 }],
    [
      "int4, block 64, symmetric, double quantized",
      "native",
      { quantType: "int4", symmetric: true },
    ],
    ["uint4, per tensor", "native", { quantType: "uint4", granularity: "tensor" }],
    ["int8, block 64", "native", { quantType: "int8" }],
    [
      "int8, per channel of axis 1, symmetric",
      "native",
      { quantType: "int8", granularity: "channel", axis: 1, symmetric: true },
    ],
    ["uint8, per channel of axis 0", "native", { quantType: "uint8", granularity: "channel" }],
    ["mxfp4, block 32", "native", { quantType: "mxfp4" }],
    ["mxfp8, block 32", "native", { quantType: "mxfp8" }],
    ["mxfp8-e5m2, block 32", "native", { quantType: "mxfp8-e5m2" }],
    ["nvfp4, block 16", "native", { quantType: "nvfp4" }],
    ["fp8-e4m3, per tensor", "native", { quantType: "fp8-e4m3" }],
    ["fp8-e5m2, block 64", "native", { quantType: "fp8-e5m2", granularity: "block" }],
    [
      "int4, block 32, symmetric",
      "compressed-tensors",
      { quantType: "int4", format: "compressed-tensors", blockSize: 32, symmetric: true },
    ],
    [
      "int8, block 32",
      "compressed-tensors",
      { quantType: "int8", format: "compressed-tensors", blockSize: 32, symmetric: false },
    ],
    [
      "int4, per channel of axis 0",
      "compressed-tensors",
      {
        quantType: "int4",
        format: "compressed-tensors",
        granularity: "channel",
        symmetric: false,
      },
    ],
  ];

  it.each(WORDS)("%s, %s", async (words, layout, options) => {
    const model = join(temporaryFolder(), "model");
    const more = words.startsWith("int") && !words.includes("double") ? { doubleQuant: false } : {};
    await quantizeModel(original, model, { ...options, ...more, maxShardSize: 20_000 });
    const found = await inspectModel(model);
    expectSums(found, dataBytes(model));
    expect(found.tensors.map(({ name }) => name).sort()).toEqual(
      tensors.map(({ name }) => name).sort(),
    );
    for (const tensor of tensors) {
      const own = found.tensors.find(({ name }) => name === tensor.name) as InspectedTensor;
      expect(own.shape).toEqual(tensor.shape);
      expect(own.statistics).toBeUndefined();
      if (/_proj\.weight$/.test(tensor.name)) {
        expect(own).toMatchObject({ storedAs: words, layout, dtype: "bfloat16" });
      } else {
        expect(own.layout).toBeUndefined();
        expect(own).toMatchObject({ storedAs: tensor.dtype, dtype: tensor.dtype });
        expect(own.bytes).toBe(tensor.bytes.byteLength);
      }
    }
    expect(found.schemes.find(({ storedAs }) => storedAs === words)).toMatchObject({
      layout,
      tensors: 7,
      elements: 4 * 64 * 64 + 3 * 64 * 128,
    });
    const files = new Map(found.files.map(({ name, bytes }) => [name, bytes]));
    expect(files.size).toBeGreaterThan(1);
    for (const [name, bytes] of files) expect(readFileSync(name).byteLength).toBe(bytes);
  });

  it.each([
    ["llama_tiny_nf4_dq", "nf4, block 64, double quantized"],
    ["llama_tiny_nf4_dq_cpu_native", "nf4, block 64, double quantized"],
    ["llama_tiny_nf4", "nf4, block 64"],
    ["llama_tiny_fp4", "fp4, block 64"],
    ["llama_tiny_int8", "llm-int8"],
    ["llama_tiny_bf16", undefined],
  ])("golden %s: %s", async (name, words) => {
    const found = await inspectModel(goldenFolder(name));
    expectSums(found, dataBytes(goldenFolder(name)));
    expect(found.tensors).toHaveLength(21);
    const plain = { storedAs: "BF16", tensors: words === undefined ? 21 : 7 };
    const quantized = { storedAs: words, layout: "bitsandbytes", tensors: 14, elements: 81_920 };
    expect(found.schemes).toHaveLength(words === undefined ? 1 : 2);
    expect(found.schemes).toContainEqual(expect.objectContaining(plain));
    if (words !== undefined)
      expect(found.schemes).toContainEqual(expect.objectContaining(quantized));
  });

  it("several schemes in one model, and in shards", async () => {
    const sharded = writeShards(join(folder, "sharded"), [tensors.slice(0, 4), tensors.slice(4)]);
    const model = join(folder, "mixed");
    await quantizeModel(sharded, model, {
      quantType: "int4",
      rules: [
        { pattern: "**.q_proj.*", action: "nf4" },
        { pattern: "**.mlp.*.*", action: "llm-int8" },
        { pattern: "lm_head.*", action: "nvfp4" },
      ],
      maxShardSize: 20_000,
    });
    const found = await inspectModel(model);
    expectSums(found, dataBytes(model));
    const schemes = found.schemes.map(({ storedAs, layout = "plain", tensors: count }) =>
      [storedAs, layout, count].join(" | "),
    );
    expect(schemes.sort()).toEqual([
      "BF16 | plain | 4",
      "I64 | plain | 1",
      "int4, block 64, double quantized | native | 3",
      "llm-int8 | bitsandbytes | 3",
      "nf4, block 64, double quantized | bitsandbytes | 1",
      "nvfp4, block 16 | native | 1",
    ]);
  });

  it("parts without the weight that they belong to are tensors of their own", async () => {
    const loose = [opaque("x.weight.absmax", "F32", [4]), opaque("x.SCB", "F32", [2])];
    const model = writeModel(join(folder, "loose"), [...loose, opaque("x.weight", "U8", [32, 1])]);
    const found = await inspectModel(model);
    expectSums(found, dataBytes(model));
    expect(found.tensors.map(({ storedAs }) => storedAs)).toEqual(["F32", "F32", "U8"]);
  });

  it("a model without tensors, and tensors without elements", async () => {
    const empty = writeModel(join(folder, "empty"), []);
    for (const stats of [false, true]) {
      const found = await inspectModel(empty, { stats });
      const nothing = { tensors: [], schemes: [], elements: 0, bytes: 0, bitsPerWeight: 0 };
      expect(found).toMatchObject(nothing);
    }
    const { stdout, code } = await quantwise(["inspect", empty, "--stats"]);
    expect(code).toBe(0);
    expect(stdout.toString()).toContain("1 file, 0 tensors, 0 weights, 0 B (0 bytes), 0.000 bits");
    const none = { ...weights("none", [1], "F32"), shape: [0, 4], bytes: new Uint8Array(0) };
    const model = writeModel(join(folder, "none"), [none]);
    const { tensors: rows } = await inspectModel(model, { stats: true });
    expect(rows[0]).toMatchObject({ elements: 0, bytes: 0, bitsPerWeight: 0 });
    expect(rows[0]?.statistics).toMatchObject({ elements: 0, min: undefined, outliers: 0 });
  });
});

describe("--stats", () => {
  interface Statistics {
    readonly min: number | undefined;
    readonly max: number | undefined;
    readonly mean: number;
    readonly std: number;
    readonly kurtosis: number;
    readonly outliers: number;
    readonly zeros: number;
    readonly nonFinite: number;
  }

  /** As the textbook has it. */
  function statistics(values: Float32Array): Statistics {
    const finite = [...values].filter(Number.isFinite);
    const n = finite.length;
    const mean = finite.reduce((sum, w) => sum + w, 0) / n;
    const moment = (k: number) => finite.reduce((sum, w) => sum + (w - mean) ** k, 0) / n;
    const std = Math.sqrt(moment(2));
    return {
      min: finite.reduce((a, b) => Math.min(a, b), Infinity),
      max: finite.reduce((a, b) => Math.max(a, b), -Infinity),
      mean,
      std,
      kurtosis: moment(4) / moment(2) ** 2 - 3,
      outliers: finite.filter((w) => Math.abs(w - mean) > 6 * std).length,
      zeros: finite.filter((w) => w === 0).length,
      nonFinite: values.length - n,
    };
  }

  function expectStatistics(
    { statistics: got, name }: InspectedTensor,
    values: Float32Array,
  ): void {
    const expected = statistics(values);
    const { min, max, outliers, zeros, nonFinite } = expected;
    expect({ name, ...got }).toMatchObject({ name, min, max, outliers, zeros, nonFinite });
    expect(got?.elements).toBe(values.length);
    const near = (actual: number | undefined, wanted: number, unit: number) =>
      expect(Math.abs((actual ?? NaN) - wanted), name).toBeLessThan(1e-9 * unit);
    near(got?.mean, expected.mean, expected.std);
    near(got?.std, expected.std, expected.std);
    near(got?.excessKurtosis, expected.kurtosis, Math.max(1, expected.kurtosis));
  }

  /** Mostly small, a few very large, some exact zeros. */
  function heavy(
    name: string,
    shape: readonly number[],
    dtype: "F32" | "BF16" | "F16",
  ): TestTensor {
    const { bytes } = weights(name, shape, "F32", { seed: shape.length + 5, deviation: 0.05 });
    const values = new Float32Array(bytes.slice().buffer).map((w, i) =>
      i % 1009 === 5 ? 40 * w + 0.5 : i % 307 === 0 ? 0 : w,
    );
    return { name, dtype, shape, bytes: floatBytesAs(dtype, values) };
  }

  const SHAPES = [
    ["a.weight", [64, 64]],
    ["b.weight", [37, 75]],
    // More than a tile.
    ["c.weight", [523, 513]],
    ["d.weight", [1, 300_001]],
  ] as const;

  it.each(["F32", "BF16", "F16"] as const)("of %s are the textbook's", async (dtype) => {
    const list = SHAPES.map(([name, shape]) => heavy(name, shape, dtype));
    const model = writeModel(join(folder, `stats ${dtype}`), list);
    const found = await inspectModel(model, { stats: true });
    for (const [i, tensor] of list.entries()) {
      expectStatistics(found.tensors[i] as InspectedTensor, valuesOf(tensor));
      expect(found.tensors[i]?.statistics?.outliers).toBeGreaterThan(0);
    }
  });

  it.each([
    { quantType: "nf4" },
    { quantType: "dynamic8", blockSize: 777 },
    { quantType: "llm-int8" },
    { quantType: "int4" },
    { quantType: "int8", granularity: "channel", axis: 1 },
    { quantType: "nvfp4" },
  ] as const)("of a quantized weight are those of what it decodes to: %j", async (options) => {
    const list = SHAPES.map(([name, shape]) => heavy(name, shape, "BF16"));
    const plain = writeModel(join(folder, "stats of"), list);
    const model = join(folder, `stats of ${options.quantType}`);
    await quantizeModel(plain, model, { include: ["**"], ...options });
    const found = await inspectModel(model, { stats: true });
    for (const tensor of list) {
      const own = found.tensors.find(({ name }) => name === tensor.name) as InspectedTensor;
      expectStatistics(own, dequantize(recordOf(tensor, options)));
    }
  });

  it("leave NaN and infinity out, and count them", async () => {
    const tensor = heavy("a", [64, 64], "F32");
    const values = valuesOf(tensor);
    values.set([NaN, Infinity, -Infinity], 100);
    const all = new Float32Array(4).fill(NaN);
    const model = writeModel(join(folder, "stats of what is no number"), [
      { ...tensor, bytes: floatBytesAs("F32", values) },
      { ...tensor, name: "b", shape: [4], bytes: floatBytesAs("F32", all) },
      { ...tensor, name: "c", shape: [4], bytes: floatBytesAs("F32", all.fill(0.5)) },
    ]);
    const { tensors: rows } = await inspectModel(model, { stats: true });
    expectStatistics(rows[0] as InspectedTensor, values);
    const unknown = { min: undefined, max: undefined, mean: undefined, std: undefined };
    expect(rows[1]?.statistics).toMatchObject({ ...unknown, nonFinite: 4, outliers: 0 });
    const equal = { min: 0.5, max: 0.5, mean: 0.5, std: 0, outliers: 0 };
    expect(rows[2]?.statistics).toMatchObject({ ...equal, excessKurtosis: undefined });
    const { stdout } = await quantwise(["inspect", model, "--stats", "--json"]);
    expect(stdout.toString()).not.toMatch(/NaN|Infinity/);
    const json = JSON.parse(stdout.toString());
    expect(json.tensors[1].statistics).toMatchObject({
      min: null,
      mean: null,
      excessKurtosis: null,
    });
  });

  it("are of floats alone", async () => {
    const model = writeModel(join(folder, "stats of ids"), [
      opaque("ids", "I64", [4]),
      opaque("mask", "BOOL", [4]),
      opaque("double", "F64", [4]),
      weights("float", [4], "F16"),
    ]);
    const { tensors: rows } = await inspectModel(model, { stats: true });
    const names = rows.filter((row) => row.statistics !== undefined).map(({ name }) => name);
    expect(names).toEqual(["float"]);
  });

  it("stop at a signal, and tell plan and bytes", async () => {
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await expect(inspectModel(original, { stats: true, signal })).rejects.toBe(reason);
    const plans: object[] = [];
    let bytes = 0;
    const found = await inspectModel(original, {
      stats: true,
      onPlan: (plan) => plans.push(plan),
      onBytes: (count) => {
        bytes += count;
      },
    });
    expect(plans).toEqual([{ tensors: tensors.length, bytes: found.bytes }]);
    expect(bytes).toBe(found.bytes);
  });
});

describe("quantwise inspect", () => {
  const nf4 = join(folder, "nf4");
  beforeAll(() => quantizeModel(original, nf4));

  async function inspect(...args: readonly string[]) {
    const { code, stdout, stderr } = await quantwise(["inspect", ...args]);
    expect([code, stderr]).toEqual([0, ""]);
    return stdout.toString();
  }

  const cellsOf = (line: string) => line.split(/ {2,}/);

  it("prints tensors, schemes and sums", async () => {
    const text = await inspect(nf4);
    const [table, schemes, sums] = text.split("\n\n") as [string, string, string];
    const [titles, ...rows] = table.split("\n").map(cellsOf);
    expect(titles).toEqual(["tensor", "shape", "dtype", "stored as", "size", "bits/weight"]);
    const found = await inspectModel(nf4);
    expect(rows.map(([name]) => name)).toEqual(found.tensors.map(({ name }) => name));
    expect(rows.find(([name]) => name === "model.layers.0.mlp.up_proj.weight")).toEqual([
      "model.layers.0.mlp.up_proj.weight",
      "[128, 64]",
      "bfloat16",
      "nf4, block 64, double quantized",
      expect.stringMatching(/^5\.4[89] kB$/),
      expect.stringMatching(/^5\.35\d$/),
    ]);
    expect(rows.find(([name]) => name === "model.norm.weight")).toEqual([
      "model.norm.weight",
      "[64]",
      "BF16",
      "128 B",
      "16.000",
    ]);
    expect(schemes.split("\n").map(cellsOf)).toEqual([
      ["stored as", "layout", "tensors", "weights", "size", "bits/weight"],
      [
        "nf4, block 64, double quantized",
        "bitsandbytes",
        "7",
        "40,960",
        expect.stringMatching(/^(29|30)\.\d kB$/),
        expect.any(String),
      ],
      ["BF16", "plain", "5", "4,288", "8.58 kB", "16.000"],
      ["I64", "plain", "1", "8", "64 B", "64.000"],
    ]);
    expect(sums).toBe(
      `1 file, 13 tensors, 45,256 weights, 38.6 kB (${dataBytes(nf4)} bytes), ` +
        `${((8 * dataBytes(nf4)) / 45_256).toFixed(3)} bits per weight\n`,
    );
  });

  it("--stats adds columns, empty for what has none", async () => {
    const [table] = (await inspect(nf4, "--stats")).split("\n\n") as [string];
    const [titles, ...rows] = table.split("\n").map(cellsOf);
    expect(titles?.slice(6)).toEqual(["min", "max", "mean", "std", "kurtosis", "> 6 σ", "NaN, ∞"]);
    const found = await inspectModel(nf4, { stats: true });
    for (const { name, statistics, layout } of found.tensors) {
      const cells = rows.find(([first]) => first === name) as string[];
      const from = layout === undefined ? 5 : 6;
      if (statistics === undefined) {
        expect(cells).toHaveLength(from);
        continue;
      }
      const { min, max, mean, std, excessKurtosis } = statistics;
      const expected = [min, max, mean, std, excessKurtosis] as number[];
      for (const [i, value] of expected.entries()) {
        const got = Number(cells[from + i]);
        expect(Math.abs(got - value)).toBeLessThanOrEqual(0.006 * Math.abs(value));
      }
      expect(cells.slice(from + 5)).toEqual(["0 %", "0"]);
    }
  });

  it("--json has the fields of inspectModel, on one line", async () => {
    for (const stats of [false, true]) {
      const text = await inspect(nf4, "--json", ...(stats ? ["--stats"] : []));
      expect(text.split("\n")).toHaveLength(2);
      expect(JSON.parse(text)).toEqual(
        JSON.parse(JSON.stringify(await inspectModel(nf4, { stats }))),
      );
    }
  });

  it("takes a single file, and the reference kernels", async () => {
    const file = join(nf4, "model.safetensors");
    const both = [
      await inspect(file, "--json", "--stats"),
      await inspect(file, "--json", "--stats", "--kernels", "reference"),
    ];
    expect(both[1]).toBe(both[0]);
    expect(JSON.parse(both[0] as string).tensors).toEqual(
      JSON.parse(await inspect(nf4, "--json", "--stats")).tensors,
    );
  });

  it("has names with control characters on one line", async () => {
    const names = ["a\u001b[31m", "b\nc", "\u202ed", "</script>"];
    const list = names.map((name) => weights(name, [2, 2], "F32"));
    const model = writeModel(join(folder, "names"), list);
    const text = await inspect(model);
    expect(text.split("\n\n")[0]?.split("\n")).toHaveLength(5);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    const json = JSON.parse(await inspect(model, "--json"));
    expect(json.tensors.map(({ name }: TestTensor) => name).sort()).toEqual([...names].sort());
  });

  it("of 10,000 tensors comes whole through a pipe", async () => {
    const list = Array.from({ length: 2500 }, (_, i) =>
      weights(`model.layers.${i}.mlp.up_proj.weight`, [2, 64], "BF16", { seed: i }),
    );
    const plain = writeModel(join(folder, "many"), list);
    const model = join(folder, "many nf4");
    await quantizeModel(plain, model, { doubleQuant: false });
    expect(readFile(readFileSync(join(model, "model.safetensors"))).tensors).toHaveLength(10_000);
    const script = '"$0" "$@" | (sleep 0.5; cat)';
    const args = ["-c", script, process.execPath, cli, "inspect", model, "--json", "--stats"];
    const { stdout, status } = spawnSync("bash", args, { maxBuffer: 1 << 26 });
    expect(status).toBe(0);
    const json = JSON.parse(stdout.toString());
    expect(json.tensors).toHaveLength(2500);
    expectSums(json, dataBytes(model));
  });

  it("says so when nobody reads, or the disk is full", () => {
    for (const [script, reason] of [
      ['"$0" "$@" > /dev/full', "the disk is full"],
      ['set -o pipefail; "$0" "$@" | true', "the reader of the output has gone away"],
    ] as const) {
      const model = join(folder, "many nf4");
      const args = ["-c", script, process.execPath, cli, "inspect", model];
      const { status, stderr } = spawnSync("bash", args);
      expect(stderr.toString()).toContain(`cannot write standard output: ${reason}`);
      expect(stderr.toString()).not.toMatch(/\n\s+at /);
      expect(status).toBe(1);
    }
  });
});

describe("a broken checkpoint", () => {
  const plain = writeModel(join(folder, "to break"), [
    weights("a.weight", [16, 64], "F32", { seed: 1 }),
    weights("b.weight", [16, 64], "F32", { seed: 2 }),
  ]);

  /** A quantized file with some of its tensors changed or left out. */
  async function broken(
    options: QuantizeModelOptions,
    change: (tensor: TestTensor) => TestTensor | undefined,
  ): Promise<string> {
    const place = temporaryFolder();
    const good = join(place, "good.safetensors");
    await quantizeModel(plain, good, { include: ["**"], ...options });
    await inspectModel(good, { stats: true });
    const { tensors: parts, metadata } = readFile(readFileSync(good));
    const kept = parts.map((part) => change(part)).filter((part) => part !== undefined);
    const bad = join(place, "bad.safetensors");
    writeFileSync(bad, fileInOrder(kept, metadata));
    return bad;
  }

  const without = (suffix: string) => (tensor: TestTensor) =>
    tensor.name.endsWith(suffix) ? undefined : tensor;
  const shortened = (suffix: string) => (tensor: TestTensor) => {
    if (!tensor.name.endsWith(suffix)) return tensor;
    const [first = 1, ...rest] = tensor.shape;
    const bytes = tensor.bytes.slice(0, (tensor.bytes.byteLength * (first - 1)) / first);
    return { ...tensor, shape: [first - 1, ...rest], bytes };
  };

  it.each([
    ["nf4 without absmax", {}, without("a.weight.absmax")],
    ["nf4 without quant_map", {}, without("a.weight.quant_map")],
    ["nf4 without codes", {}, without("a.weight")],
    ["nf4 with too few codes", {}, shortened("a.weight")],
    ["llm-int8 with a short SCB", { quantType: "llm-int8" }, shortened("a.SCB")],
    ["int4 without scales", { quantType: "int4" }, without("a.weight.scale")],
    ["mxfp4 with too few scales", { quantType: "mxfp4" }, shortened("a.weight.scale")],
    [
      "compressed-tensors without its shape",
      { quantType: "int4", format: "compressed-tensors" },
      without("a.weight_shape"),
    ],
    [
      "compressed-tensors with short codes",
      { quantType: "int8", format: "compressed-tensors" },
      shortened("a.weight_packed"),
    ],
  ] as const)("%s is a FormatError that names the tensor", async (_, options, change) => {
    const path = await broken(options, change);
    const failure = inspectModel(path, { stats: true });
    await expect(failure).rejects.toThrow(FormatError);
    await expect(failure).rejects.toThrow(/bad\.safetensors, tensor "a\./);
  });

  it("whose quant state is no JSON, or of another type", async () => {
    const state = (text: string) => (tensor: TestTensor) => {
      if (!tensor.name.startsWith("a.weight.quant_state")) return tensor;
      return { ...tensor, shape: [text.length], bytes: new TextEncoder().encode(text) };
    };
    for (const text of ["{", "[]", "{}", '{"shape":[16,64],"dtype":"int3","blocksize":64}']) {
      await expect(inspectModel(await broken({}, state(text)))).rejects.toThrow(FormatError);
    }
  });

  it("that is cut off, or no safetensors at all, or not there", async () => {
    const file = referenceFile(tensors);
    const cut = join(folder, "cut.safetensors");
    writeFileSync(cut, file.subarray(0, file.byteLength - 10));
    await expect(inspectModel(cut)).rejects.toThrow(FormatError);
    writeFileSync(cut, "GGUF");
    await expect(inspectModel(cut)).rejects.toThrow(FormatError);
    await expect(inspectModel(join(folder, "nothing"))).rejects.toThrow(StorageError);
  });

  it("ends the command with code 1, a message, and no stack", async () => {
    const path = await broken({}, without("a.weight.absmax"));
    const { code, stdout, stderr } = await quantwise(["inspect", path]);
    expect(stderr).toMatch(/^quantwise: .*bad\.safetensors, tensor "a\.weight": .*absmax.*\n$/);
    expect([code, stdout.byteLength]).toEqual([1, 0]);
    expect((await quantwise(["inspect"])).code).toBe(2);
    expect((await quantwise(["inspect", path, "--stat"])).code).toBe(2);
  });
});
