import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CountTable, ModelTable, SizeRow } from "../../src/checkpoint/size-table/index.ts";
import { type PlanSizesOptions, planSizes, quantizeModel } from "../../src/node/index.ts";
import { QUANT_TYPES } from "../../src/schemes/registry.ts";
import { opaque, weights } from "../checkpoint/safetensors-files.ts";
import { llamaConfig, llamaTensors, writeModel, writeShards } from "../node/models.ts";
import { namesIn, quantize, quantwise, temporaryFolder } from "./quantwise.ts";

const model = writeModel(join(temporaryFolder(), "model"), llamaTensors());

async function plan(args: readonly string[], cwd?: string): Promise<string> {
  const result = await quantwise(["plan", ...args], cwd === undefined ? {} : { cwd });
  expect(result.stderr).toBe("");
  expect(result.code).toBe(0);
  return result.stdout.toString();
}

async function jsonPlan<Table = ModelTable>(args: readonly string[]): Promise<Table> {
  const lines = (await plan([...args, "--json"])).split("\n");
  expect(lines).toHaveLength(2);
  return JSON.parse(lines[0] as string);
}

/** The cells of the printed line that begins with these. */
function cells(text: string, ...first: string[]): string[] {
  const lines = text.split("\n").map((line) => line.split(/ {2,}/));
  const found = lines.filter((line) => first.every((cell, at) => line[at] === cell));
  expect(found).toHaveLength(1);
  return (found[0] as string[]).slice(first.length);
}

describe("quantwise plan 7B --block-size 64", async () => {
  const text = await plan(["7B", "--block-size", "64"]);

  // Weights, metadata and total in GB; bits a weight; ratio to bfloat16.
  it.each([
    ["bfloat16", "–", "14.000 0.000 14.000 16.000 1.00"],
    ["int4, uint4", "block 64, f32 scale and zero point", "3.500 0.875 4.375 5.000 3.20"],
    ["int4, uint4", "block 64, double quantized", "3.500 0.222 3.722 4.254 3.76"],
    ["nf4, fp4, af4", "block 64, f32 absmax", "3.500 0.438 3.938 4.500 3.56"],
    ["nf4, fp4, af4", "block 64, double quantized", "3.500 0.111 3.611 4.127 3.88"],
    ["int8, uint8", "block 64, double quantized", "7.000 0.222 7.222 8.254 1.94"],
    ["llm-int8", "row, f32 absmax", "7.000 0.007 7.007 8.008 2.00"],
  ])("prints %s, %s: %s", (scheme, scales, figures) => {
    expect(cells(text, scheme, scales).join(" ")).toBe(figures);
  });

  it("prints one unit, and names every scheme once a coding", () => {
    expect(text.split("\n")[2]).toMatch(
      /^scheme +scales +weights GB +metadata GB +total GB +bits\/weight +ratio$/,
    );
    for (const name of QUANT_TYPES) expect(text).toContain(name);
  });

  it("explains the lesson's figures, and what it assumes", () => {
    expect(text).toContain("0.875 GB of metadata, 4.375 GB in all");
    expect(text).toContain("0.222 GB, 3.722 GB");
    expect(text).toMatch(/872 MB and 218 MB.*rounds to 109 M blocks/);
    expect(text).toMatch(/\nAssumed:\n(- .*\n){6,}/);
  });

  it("says what a full model weighs", () => {
    expect(text).toContain("Llama-2-7B, the whole model: 6,738,415,616 weights");
    // 6,476,005,376 weights of 4.127 bits, and 262,410,240 of 16.
    expect(cells(text, "nf4", "block 64, double quantized").slice(0, 5)).toEqual([
      "3.238",
      "0.103",
      "0.525",
      "0.000",
      "3.866",
    ]);
    expect(cells(text, "BF16", "–")).toContain("13.477");
  });
});

describe("a model's sizes", () => {
  /** Row for row what a dry run of `quantize` says with the row's options. */
  async function expectDryRuns(input: string, output: string, options: PlanSizesOptions) {
    const { rows } = (await planSizes(input, options)) as ModelTable;
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) {
      const { quantTypes, blockSize, granularity, symmetric, doubleQuant, ...rest } = options;
      const dry = await quantizeModel(input, join(temporaryFolder(), output), {
        ...rest,
        ...row.options,
        dryRun: true,
      });
      const { totals } = dry;
      expect({ ...figuresOf(row), options: row.options }).toEqual({
        options: row.options,
        bytesBefore: dry.bytesBefore,
        bytesAfter: dry.bytesAfter,
        slackBytes: dry.slackBytes,
        bitsPerWeight: (totals.quantizedBytesAfter * 8) / totals.quantizedElements,
        bitsPerWeightOverall: (dry.bytesAfter * 8) / totals.elements,
        warnings: dry.warnings,
      });
    }
    return rows;
  }

  function figuresOf(row: SizeRow) {
    const { totalBytes, slackBytes, bitsPerWeight, bitsPerWeightOverall, ratio, warnings } = row;
    const bytesBefore = Math.round((ratio as number) * totalBytes);
    const bits = { bitsPerWeight, bitsPerWeightOverall };
    return { bytesBefore, bytesAfter: totalBytes, slackBytes, ...bits, warnings };
  }

  it("are those of quantize --dry-run --json", async () => {
    const args = [
      "--rule",
      "**.q_proj.**=uint8",
      "--exclude",
      "**.0.**",
      "--max-shard-size",
      "30kB",
    ];
    const types = ["nf4", "int4", "fp8-e4m3"].flatMap((name) => ["--quant-type", name]);
    const { rows } = await jsonPlan([model, ...types, ...args]);
    expect(rows).toHaveLength(2 + 4 + 3);
    await Promise.all(
      rows.map(async (row) => {
        const { quantType, granularity, doubleQuant } = row.options ?? {};
        const flags = [
          ...["--quant-type", quantType as string],
          ...(granularity === undefined ? [] : ["--granularity", granularity]),
          ...(doubleQuant === undefined ? [] : [`--${doubleQuant ? "" : "no-"}double-quant`]),
        ];
        const out = join(temporaryFolder(), "out");
        const dry = await quantize([model, "-o", out, "--dry-run", "--json", ...flags, ...args]);
        expect(JSON.parse(dry.stdout.toString())).toMatchObject(figuresOf(row));
      }),
    );
  });

  it("are those of a dry run, of every scheme", async () => {
    const rows = await expectDryRuns(model, "out", {});
    expect(new Set(rows.map(({ scheme }) => scheme))).toEqual(new Set(QUANT_TYPES));
  });

  const file = join(model, "model.safetensors");
  it.each<[string, string, string, PlanSizesOptions]>([
    ["of a file", file, "out.safetensors", {}],
    ["with blocks of 128", model, "out", { blockSize: 128 }],
    ["with blocks of 64, as by default", model, "out", { blockSize: 64 }],
    ["without double quantization", model, "out", { doubleQuant: false }],
    ["with it alone", model, "out", { doubleQuant: true }],
    ["by channel", model, "out", { granularity: "channel" }],
    ["symmetric", model, "out", { symmetric: true }],
    ["with less selected", model, "out", { exclude: ["**.mlp.**"] }],
    ["with more selected", model, "out", { include: ["**"] }],
    [
      "with rules",
      model,
      "out",
      {
        blockSize: 128,
        rules: [
          { pattern: "**.q_proj.**", action: "int8" },
          { pattern: "lm_head.**", action: "mxfp8" },
        ],
      },
    ],
    ["as compressed-tensors", model, "out", { format: "compressed-tensors" }],
    [
      "as compressed-tensors, asymmetric",
      model,
      "out",
      { format: "compressed-tensors", symmetric: false },
    ],
    ["in quantwise's own form", model, "out", { format: "native" }],
    ["in small shards", model, "out", { maxShardSize: 20_000 }],
  ])("are those of a dry run, %s", async (_, input, output, options) => {
    await expectDryRuns(input, output, options);
  });

  it("are read from shards, and config.json from elsewhere", async () => {
    const tensors = llamaTensors();
    const shards = writeShards(join(temporaryFolder(), "model"), [
      tensors.slice(0, 9),
      tensors.slice(9),
    ]);
    await expectDryRuns(shards, "out", {});
    const bare = writeModel(join(temporaryFolder(), "model"), tensors, null);
    await expectDryRuns(bare, "out", { config: join(model, "config.json") });
  });

  it("add up to the files that are written", async () => {
    const { rows } = (await planSizes(model, {})) as ModelTable;
    for (const { options, totalBytes, slackBytes } of rows) {
      const out = join(temporaryFolder(), "out");
      const { bytesAfter } = await quantizeModel(model, out, options ?? {});
      expect(bytesAfter).toBeLessThanOrEqual(totalBytes);
      expect(bytesAfter).toBeGreaterThanOrEqual(totalBytes - slackBytes);
    }
  });

  it("are worked out by hand: two layers of hidden size 64", async () => {
    // A layer has 4 · 64 · 64 + 3 · 64 · 128 = 40,960 weights in 7 matrices; embeddings and lm_head
    // 2 · 32 · 64 = 4,096, five norms of 64.
    const table = await jsonPlan([model, "--quant-type", "int4"]);
    expect(table).toMatchObject({ kind: "model", input: model, tensors: 21, quantizedTensors: 14 });
    expect(table.source).toMatchObject({
      scheme: "BF16",
      keptWeights: 81_920 + 4_096 + 320,
      totalBytes: 2 * 86_336,
    });
    const [plain, , double] = ["block", "channel", "block"].map((which, at) =>
      table.rows.find(
        ({ coding }) =>
          coding?.family === "affine" &&
          coding.granularity === which &&
          coding.doubleQuant === (at === 2),
      ),
    ) as SizeRow[];
    // 1,280 blocks: 8 bytes each. Double quantized 2 bytes, and 8 for a matrix' one group.
    expect(plain).toMatchObject({ codeBytes: 40_960, metadataBytes: 10_240, keptBytes: 8_832 });
    expect(double).toMatchObject({ codeBytes: 40_960, metadataBytes: 2_560 + 14 * 8 });
    expect(plain?.bitsPerWeight).toBe(5);
    const sum = (row: SizeRow) =>
      row.codeBytes + row.metadataBytes + row.keptBytes + row.headerBytes;
    for (const row of table.rows) expect(row.totalBytes).toBe(sum(row));
  });

  it("are printed in one unit, largest first, with the source among them", async () => {
    const text = await plan([model, "--quant-type", "nf4", "--quant-type", "fp4"]);
    const lines = text.split("\n");
    expect(lines[0]).toBe(
      `${model}: 14 of 21 tensors are quantized, 81,920 of 86,336 weights; the other 4,416 stay as they are`,
    );
    expect(lines[2]).toMatch(/codes kB +metadata kB +kept kB +header kB +total kB/);
    expect(lines.slice(3, 6).map((line) => line.split(/ {2,}/)[0])).toEqual([
      "BF16",
      "nf4, fp4",
      "nf4, fp4",
    ]);
    expect(text).toMatch(/up to \d+ bytes may fall away/);
  });

  it("have a row that says why where a scheme does not go", async () => {
    const tensors = [...llamaTensors(), weights("model.conv.weight", [8, 4, 3])];
    const odd = writeModel(join(temporaryFolder(), "model"), tensors);
    const args = [odd, "--include", "**", "--quant-type", "llm-int8", "--quant-type", "mxfp4"];
    const table = await jsonPlan(args);
    expect(table.rows.map(({ scheme }) => scheme)).toEqual(["mxfp4"]);
    const reason = expect.stringMatching(/model\.conv\.weight.*rank 2/);
    const options = { quantType: "llm-int8" };
    expect(table.refused).toEqual([{ scheme: "llm-int8", options, reason }]);
    const text = await plan(args);
    expect(text).toMatch(/^llm-int8 .*refused \[1\]$/m);
    expect(text).toMatch(/^\[1\] tensor "model\.conv\.weight".*rank 2/m);
  });

  it("say what quantize would warn of, and of which schemes", async () => {
    const text = await plan([model, "--quant-type", "nf4", "--quant-type", "mxfp4"]);
    expect(text).toMatch(/^- warning \(mxfp4\): the native format is read by quantwise alone$/m);
  });

  it("are those of a path before those of a number, and that is said", async () => {
    const folder = temporaryFolder();
    writeModel(join(folder, "7B"), llamaTensors());
    const text = await plan(["7B", "--quant-type", "nf4"], folder);
    expect(text).toMatch(/^7B: 14 of 21 tensors/);
    expect(text).toMatch(/^- "7B" is a path here.*7000000000$/m);
  });

  it("need no tensor: nothing is written, and the data may be anything", async () => {
    const folder = writeModel(join(temporaryFolder(), "model"), [
      opaque("model.layers.0.mlp.up_proj.weight", "BF16", [64, 64]),
    ]);
    const before = namesIn(folder);
    await plan([folder]);
    expect(namesIn(folder)).toEqual(before);
  });
});

describe("a count", () => {
  it("comes as JSON too", async () => {
    const table = await jsonPlan<CountTable>(["350M", "--quant-type", "nf4", "--columns", "1024"]);
    expect(table).toMatchObject({
      kind: "count",
      input: "350M",
      parameters: 350_000_000,
      columns: 1024,
      wholeModel: null,
      refused: [],
    });
    // 350e6 / 64 = 5,468,750 blocks in 21,363 groups.
    expect(table.rows.map(({ scheme, totalBytes }) => [scheme, totalBytes])).toEqual([
      ["float32", 1_400_000_000],
      ["bfloat16", 700_000_000],
      ["nf4", 175_000_000 + 4 * 5_468_750],
      ["nf4", 175_000_000 + 5_468_750 + 4 * 21_363 + 4],
    ]);
  });

  it("of a small model is printed in a unit that shows it", async () => {
    expect(await plan(["125m"])).toContain("total MB");
    expect(await plan(["100"])).toContain("total B");
  });

  it("with a block size that some schemes lack has rows that say so", async () => {
    const text = await plan(["7B", "--block-size", "48"]);
    expect(text).toMatch(/^nf4, fp4, af4 +block 48 +refused \[1\]$/m);
    expect(text).toMatch(/^\[1\] blockSize: expected one of 32, 64/m);
  });
});

describe.concurrent("a wrong command line", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "empty"));

  it.each([
    ["no model", [], 2, /missing required argument 'model'/],
    ["nonsense", ["7X"], 2, /model: expected .*\.safetensors.*"7B".*received "7X"/],
    ["no weights", ["0"], 2, /model: expected .*1 to 10\^15.*received "0"/],
    ["half a weight", ["0.5"], 2, /received "0\.5"/],
    ["standard input", ["-"], 2, /model: expected .*no stream.*received "-"/],
    ["an unknown type", ["7B", "--quant-type", "nf5"], 2, /--quant-type.*"nf4".*received "nf5"/],
    ["no block size", ["7B", "--block-size", "x"], 2, /--block-size.*whole number.*"x"/],
    ["a block of nothing", ["7B", "--block-size", "0"], 2, /blockSize: expected .*≥ 1.*0/],
    [
      "a type without blocks",
      ["7B", "--quant-type", "llm-int8", "--block-size", "64"],
      2,
      /blockSize: expected none for llm-int8, received 64/,
    ],
    ["a rule for a count", ["7B", "--rule", "**=nf4"], 2, /rule: expected none.*count.*\*\*=nf4/],
    ["a form for a count", ["7B", "--format", "native"], 2, /format: expected none.*count/],
    ["columns of a model", [model, "--columns", "3"], 2, /columns: expected none for a model.*3/],
    [
      "a form that lacks the type",
      [model, "--quant-type", "nf4", "--format", "compressed-tensors"],
      2,
      /format: expected "bitsandbytes" or "native" for nf4/,
    ],
    ["an empty glob", [model, "--exclude", ""], 2, /exclude.*glob/],
    [
      "a block size that no row takes",
      [model, "--quant-type", "nf4", "--block-size", "63"],
      2,
      /blockSize: expected one of 32.*63/,
    ],
    ["no such file", [join(folder, "none.safetensors")], 1, /cannot open .*does not exist/],
    ["an empty folder", [join(folder, "empty")], 1, /no model\.safetensors/],
  ] as const)("is told of: %s", async (_, args, expected, message) => {
    const { code, stdout, stderr } = await quantwise(["plan", ...args]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout.toString()).toBe("");
    expect(code).toBe(expected);
  });

  it("a checkpoint that is quantized already is refused as a whole", async () => {
    const quantized = { quantization_config: { quant_method: "bitsandbytes" } };
    const input = writeModel(join(folder, "done"), llamaTensors(), llamaConfig(quantized));
    const { code, stderr } = await quantwise(["plan", input]);
    expect(stderr).toMatch(/already quantized/);
    expect(code).toBe(1);
  });
});
