import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, type TestContext, vi } from "vitest";
import type { PageData } from "../../src/cli/report/page-data.ts";
import { dequantize } from "../../src/index.ts";
import { figuresOf } from "../../src/metrics/comparison-figures.ts";
import { compareModels, quantizeModel } from "../../src/node/index.ts";
import { floatBytesAs, opaque, type TestTensor, weights } from "../checkpoint/safetensors-files.ts";
import { figures, recordOf, valuesOf } from "../node/compare-oracle.ts";
import { llamaTensors, writeModel } from "../node/models.ts";
import { type Finished, namesIn, quantwise, temporaryFolder } from "./quantwise.ts";

// Two cores and other suites beside this one: slow is no failure.
vi.setConfig({ testTimeout: 60_000 });

const cli = fileURLToPath(new URL("../../build/js/cli.js", import.meta.url));
const folder = temporaryFolder();
const tensors = [...llamaTensors(), opaque("position_ids", "I64", [8])];
const original = writeModel(join(folder, "original"), tensors);
const nf4 = join(folder, "nf4");

beforeAll(() => quantizeModel(original, nf4));

/** As `quantwise compare`, which must succeed. */
async function compare(...args: readonly string[]): Promise<Finished> {
  const result = await quantwise(["compare", ...args]);
  expect(result.stderr).not.toMatch(/quantwise:/);
  expect(result.code).toBe(0);
  return result;
}

async function jsonOf(...args: readonly string[]) {
  const { stdout } = await compare(...args, "--json");
  const text = stdout.toString();
  expect(text.split("\n")).toHaveLength(2);
  return JSON.parse(text);
}

/** Cells of the table's rows, without its title; rows of sums begin with "all". */
function tableRows(stdout: Buffer): { shown: string[][]; sums: string[][]; below: string[] } {
  const lines = stdout.toString().split("\n");
  const end = lines.findLastIndex((line) => line.startsWith("all "));
  const cells = lines.slice(1, end + 1).map((line) => line.split(/ {2,}/));
  const isSum = ([first]: string[]) => /^all \d+ (quantized|compared)$/.test(first as string);
  return {
    shown: cells.filter((row) => !isSum(row)),
    sums: cells.filter(isSum),
    below: lines.slice(end + 1).filter((line) => line !== ""),
  };
}

/** More JSON than any pipe takes at once. */
function manyTensors(): string {
  const names = Array.from(
    { length: 2000 },
    (_, i) => `model.layers.${i}.a_long_name.q_proj.weight`,
  );
  const many = names.map((name) => weights(name, [1, 1], "F32"));
  return writeModel(join(folder, "many"), many);
}

const isProjection = ({ name }: { name: string }) => /_proj\.weight$/.test(name);

describe("the table", () => {
  it("has the tensors that differ, worst first, with their figures", async () => {
    const { stdout } = await compare(original, nf4, "--limit", "0");
    const { shown, sums, below } = tableRows(stdout);
    const expected = tensors.filter(isProjection).map((tensor) => {
      const w = valuesOf(tensor);
      return {
        name: tensor.name,
        ...figures(w, dequantize(recordOf(tensor, { quantType: "nf4" }))),
      };
    });
    expected.sort((a, b) => b.relativeRms - a.relativeRms);
    expect(stdout.toString()).toMatch(
      /^tensor +stored as +rms +MSE +max error +SQNR +cosine +saturated +clipped\n/,
    );
    expect(shown.map(([name]) => name)).toEqual(expected.map(({ name }) => name));
    for (const [i, cells] of shown.entries()) {
      const { relativeRms, mse, largest, sqnrDb, cosine } = expected[i] as (typeof expected)[0];
      expect(cells[1]).toBe("nf4");
      expect(cells[2]).toMatch(/^\d\.\d\d %$/);
      expect(Number.parseFloat(cells[2] as string)).toBeCloseTo(relativeRms * 100, 2);
      expect(Number(cells[3])).toBeCloseTo(mse, 8);
      expect(Number(cells[4])).toBeCloseTo(largest, 4);
      expect(cells[5]).toBe(`${sqnrDb.toFixed(1)} dB`);
      expect(cells[6]).toBe(cosine.toFixed(6));
      expect(cells[7]).toMatch(/^\d\.\d\d %$/);
      expect(cells[8]).toMatch(/^[\d.]+ %$/);
    }
    expect(sums.map(([name]) => name)).toEqual(["all 14 quantized", "all 21 compared"]);
    expect(below[0]).toBe("7 tensors are equal, bit for bit or in value");
    expect(below[1]).toMatch(/^\d+ kB -> [\d.]+ kB, compared in [\d.]+ s$/);
    expect(below).toHaveLength(2);
  });

  it("--limit shows that many, and how many are left", async () => {
    const all = tableRows((await compare(original, nf4)).stdout);
    const three = tableRows((await compare(original, nf4, "--limit", "3")).stdout);
    expect(all.shown).toHaveLength(14);
    expect(three.shown).toEqual(all.shown.slice(0, 3));
    expect(three.sums).toEqual(all.sums);
    expect(three.below[0]).toBe("11 more tensors differ; --limit 0 shows all");
    const last = tableRows((await compare(original, nf4, "--limit", "13")).stdout);
    expect(last.below[0]).toBe("1 more tensor differs; --limit 0 shows all");
  });

  it("of a model and itself has sums alone, and says that all is equal", async () => {
    const { stdout } = await compare(original, original);
    const { shown, sums, below } = tableRows(stdout);
    expect(shown).toEqual([]);
    expect(sums).toEqual([["all 21 compared", "0 %", "0", "0", "∞ dB", "1.000000", "–", "–"]]);
    expect(below[0]).toBe("21 tensors are equal, bit for bit or in value");
  });

  it("has broken weights first, and tells of them", async () => {
    const good = weights("a.weight", [64, 64], "F32", { seed: 1 });
    // But for its first block, all that is left of it is exact: no error at all.
    const bad = weights("b.weight", [64, 64], "F32");
    const values = new Float32Array(4096).fill(0.25);
    values[5] = NaN;
    const spoiled = { ...bad, bytes: floatBytesAs("F32", values) };
    const model = writeModel(join(folder, "spoiled"), [good, spoiled]);
    const quantized = join(folder, "spoiled nf4");
    const options = { include: ["**"], allowNonFinite: true, doubleQuant: false };
    await quantizeModel(model, quantized, options);
    const { stdout } = await compare(model, quantized);
    const { shown, below } = tableRows(stdout);
    expect(shown.map(([name]) => name)).toEqual(["b.weight", "a.weight"]);
    expect(shown.map((row) => row.at(-1))).toEqual(["63", "0"]);
    expect(below[0]).toBe(
      "64 elements NaN or infinite, which no figure counts, 63 of them in the quantized model alone",
    );
    const { tensors: rows, totals } = await jsonOf(model, quantized);
    expect(rows[0]).toMatchObject({ name: "b.weight", nonFinite: 64, newNonFinite: 63 });
    expect(totals.all).toMatchObject({ nonFinite: 64, newNonFinite: 63, comparedElements: 8128 });
    const same = tableRows((await compare(model, model)).stdout);
    expect(same.below).toContain("1 element NaN or infinite, which no figure counts");
  });

  it("has no figures for a tensor of which no number is left", async () => {
    const values = new Float32Array(4096).fill(0.25);
    values[5] = NaN;
    const bad = { ...weights("a.weight", [64, 64], "F32"), bytes: floatBytesAs("F32", values) };
    const model = writeModel(join(folder, "one NaN"), [bad]);
    const quantized = join(folder, "all NaN");
    // The mean of the scales is NaN, and with it every scale.
    await quantizeModel(model, quantized, { include: ["**"], allowNonFinite: true });
    const { shown, below } = tableRows((await compare(model, quantized)).stdout);
    expect(shown).toEqual([["a.weight", "nf4", ...Array(7).fill("–"), "4,095"]]);
    expect(below[0]).toMatch(/^4,096 elements NaN .* 4,095 of them in the quantized model alone$/);
    const { tensors: rows } = await jsonOf(model, quantized);
    expect(rows[0]).toMatchObject({ comparedElements: 0, newNonFinite: 4095 });
  });

  it("warns of tensors in one model only, on standard error", async () => {
    const fewer = writeModel(join(folder, "fewer"), tensors.slice(3));
    const { stderr } = await compare(original, fewer, "--quiet");
    const names = tensors.slice(0, 3).map(({ name }) => name);
    expect(stderr).toBe(`warning: only in the original: ${names[0]} and 2 more\n`);
    const back = await compare(fewer, original, "--quiet");
    expect(back.stderr).toBe(`warning: only in the quantized model: ${names[0]} and 2 more\n`);
  });
});

describe("--json", () => {
  const FIGURES = [
    "elements",
    "comparedElements",
    "nonFinite",
    "newNonFinite",
    "mse",
    "rmse",
    "relativeRms",
    "largestError",
    "sqnrDb",
    "cosine",
    "saturated",
    "clipped",
  ].sort();
  const NAMES = ["name", "shape", "dtype", "storedAs", "isQuantized", "storedBytes"];

  it("has one line with every figure, worst first, and nothing on standard error", async () => {
    const { stdout, stderr } = await compare(original, nf4, "--json");
    expect(stderr).toBe("");
    expect(stdout.toString()).not.toMatch(/NaN|Infinity|undefined/);
    const json = JSON.parse(stdout.toString());
    const comparison = await compareModels(original, nf4);
    expect(Object.keys(json).sort()).toEqual([
      "onlyOriginal",
      "onlyQuantized",
      "original",
      "originalBytes",
      "quantized",
      "quantizedBytes",
      "tensors",
      "totals",
    ]);
    expect(json).toMatchObject({ original, quantized: nf4, onlyOriginal: [], onlyQuantized: [] });
    expect(json.originalBytes).toBe(comparison.originalBytes);
    expect(json.tensors).toHaveLength(21);
    const errors = json.tensors.map((tensor: { relativeRms: number }) => tensor.relativeRms);
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
    for (const row of json.tensors) {
      expect(Object.keys(row).sort()).toEqual([...FIGURES, ...NAMES, "bitsPerWeight"].sort());
      const { sums, ...report } = comparison.tensors.find(
        ({ name }) => name === row.name,
      ) as never as {
        sums: Parameters<typeof figuresOf>[0];
        storedBytes: number;
      };
      expect(row).toMatchObject(report);
      expect(row.bitsPerWeight).toBe((8 * report.storedBytes) / sums.elements);
      const { mse, largestError, sqnrDb, saturated, clipped } = figuresOf(sums);
      expect(row.mse).toBe(mse);
      expect(row.sqnrDb).toBe(Number.isFinite(sqnrDb) ? sqnrDb : null);
      expect(row.saturated).toEqual(saturated ?? null);
      expect(row.clipped).toEqual(clipped ?? null);
      if (largestError === undefined) expect(row.largestError).toBeNull();
      else expect(row.largestError).toEqual({ ...largestError, tensor: row.name });
    }
    for (const total of Object.values(json.totals)) {
      expect(Object.keys(total as object).sort()).toEqual(FIGURES);
    }
  });

  it("names the tensor of the largest error of all", async () => {
    const { totals, tensors: rows } = await jsonOf(original, nf4);
    const largest = (row: { largestError: { magnitude: number } | null }) =>
      row.largestError?.magnitude ?? 0;
    const worst = rows.reduce((a: never, b: never) => (largest(b) > largest(a) ? b : a));
    expect(totals.all.largestError).toEqual(worst.largestError);
    expect(totals.quantized.largestError).toEqual(worst.largestError);
    expect(totals.all.largestError.tensor).toBe(worst.name);
  });

  it("has null for what is infinite", async () => {
    const zeros: TestTensor = { ...weights("a", [8, 8], "F32"), bytes: new Uint8Array(256) };
    const from = writeModel(join(folder, "zeros"), [zeros]);
    const to = writeModel(join(folder, "ones"), [{ ...weights("a", [8, 8], "F32") }]);
    const { tensors: rows, totals } = await jsonOf(from, to);
    expect(rows[0]).toMatchObject({ relativeRms: null, sqnrDb: null, cosine: 0 });
    expect(totals.quantized).toMatchObject({ elements: 0, relativeRms: 0, largestError: null });
    const equal = await jsonOf(from, from);
    expect(equal.tensors[0]).toMatchObject({ relativeRms: 0, sqnrDb: null, cosine: 1 });
  });

  it("comes whole through a slow pipe", async () => {
    const model = manyTensors();
    const script = '"$0" "$@" | (sleep 0.5; cat)';
    const args = ["-c", script, process.execPath, cli, "compare", model, model, "--json"];
    const { stdout, status } = spawnSync("bash", args, { maxBuffer: 1 << 26 });
    expect(status).toBe(0);
    expect(stdout.byteLength).toBeGreaterThan(500_000);
    expect(JSON.parse(stdout.toString()).tensors).toHaveLength(2000);
  });
});

describe("--html", () => {
  /** What stands between the tags of the page's two scripts: its data and its code. */
  function scriptsOf(page: string): string[] {
    return [...page.matchAll(/<script\b[^>]*>([\s\S]*?)<\/script/gi)].map(([, text]) => text ?? "");
  }

  function dataOf(page: string): PageData {
    return JSON.parse(scriptsOf(page)[0] as string);
  }

  it("writes one self-contained page with every tensor, a histogram and the schemes", async () => {
    const path = join(folder, "report.html");
    const { stdout } = await compare(original, nf4, "--html", path);
    expect(stdout.toString()).toMatch(/\nreport: .*report\.html\n$/);
    expect(namesIn(folder).filter((name) => name.includes("report.html"))).toEqual(["report.html"]);
    const page = readFileSync(path, "utf8");
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toMatch(/<\/html>\n$/);
    expect(page).not.toMatch(/https?:|\bsrc=|@import|url\(/);
    expect(page.match(/<(?:link|img|iframe|object|embed|base|form)\b[^>]*>/gi)).toEqual([
      '<link rel="icon" href="data:,">',
    ]);
    expect(page).toContain("default-src &#39;none&#39;");
    const data = dataOf(page);
    const floats = tensors.filter(({ dtype }) => dtype === "BF16");
    expect([...data.tensors.names].sort()).toEqual(floats.map(({ name }) => name).sort());
    for (const { name } of floats)
      expect(page.replaceAll("<wbr>", "")).toContain(`<bdi>${name}</bdi>`);

    const { tensors: rows } = await jsonOf(original, nf4);
    expect(data.histograms).toHaveLength(1);
    expect(data.histograms[0]).toMatchObject({ tensor: rows[0].name, storedAs: "nf4" });
    const { counts, outside, levels } = data.histograms[0] as PageData["histograms"][0];
    expect(counts.reduce((sum, count) => sum + count, outside)).toBe(rows[0].elements);
    expect(levels).toHaveLength(16);
    const schemes = data.schemes.map(({ scheme }) => scheme).join("\n");
    for (const scheme of "nf4 fp4 af4 int4 int8 mxfp4 nvfp4 mxfp8 mxfp8-e5m2 fp8-e4m3 fp8-e5m2 llm-int8 dynamic8".split(
      " ",
    )) {
      expect(schemes).toMatch(new RegExp(`^${scheme}\\b`, "m"));
    }
    expect(data.own?.relativeRms).toBeCloseTo(
      (await jsonOf(original, nf4)).totals.quantized.relativeRms,
      6,
    );
  });

  it("--tensor picks whose histograms are drawn", async () => {
    const path = join(folder, "picked.html");
    const names = ["model.layers.1.mlp.up_proj.weight", "model.layers.0.self_attn.q_proj.weight"];
    const args = names.flatMap((name) => ["--tensor", name]);
    await compare(original, nf4, "--html", path, ...args);
    const { histograms } = dataOf(readFileSync(path, "utf8"));
    expect(histograms.map(({ tensor }) => tensor)).toEqual(names);
  });

  it("--tensor of a tensor in float says that there is nothing to draw", async () => {
    const path = join(folder, "float.html");
    const flags = ["--html", path, "--tensor", "model.norm.weight", "--quiet"];
    const { stderr } = await compare(original, nf4, ...flags);
    const warning = "no histogram of what is not quantized: model.norm.weight";
    expect(stderr).toBe(`warning: ${warning}\n`);
    const page = readFileSync(path, "utf8");
    expect(dataOf(page).histograms).toEqual([]);
    expect(page).toContain(`<li>${warning}</li>`);
  });

  it("an unknown --tensor is an error of the command line, and leaves nothing", async () => {
    const html = join(folder, "never/there.html");
    const flags = ["--html", html, "--tensor", "model.norm.wait"];
    const { code, stderr, stdout } = await quantwise(["compare", original, nf4, ...flags]);
    expect(code).toBe(2);
    expect(stderr).toBe(
      "quantwise: tensor: expected the name of a tensor that both models have, " +
        'received "model.norm.wait"\n',
    );
    expect(stdout.byteLength).toBe(0);
    expect(existsSync(join(folder, "never"))).toBe(false);
  });

  it.each([["--tensor", "model.norm.weight"], ["--overwrite"]])(
    "%s means nothing without it",
    async (...flags) => {
      const { code, stderr } = await quantwise(["compare", original, nf4, ...flags]);
      expect(stderr).toMatch(new RegExp(`^quantwise: ${flags[0]}: expected --html beside it`));
      expect(code).toBe(2);
    },
  );

  it("makes the directories above it", async () => {
    const path = join(temporaryFolder(), "a/b/report.html");
    await compare(original, nf4, "--html", path);
    expect(namesIn(join(path, ".."))).toEqual(["report.html"]);
  });

  it("refuses an existing report before any work, and replaces it with --overwrite", async () => {
    const path = join(temporaryFolder(), "report.html");
    writeFileSync(path, "mine");
    const { code, stderr, stdout } = await quantwise(["compare", original, nf4, "--html", path]);
    expect([code, stdout.byteLength]).toEqual([1, 0]);
    expect(stderr).toMatch(/^quantwise: .*report\.html already exists; .*--overwrite/);
    expect(readFileSync(path, "utf8")).toBe("mine");
    await compare(original, nf4, "--html", path, "--overwrite");
    expect(readFileSync(path, "utf8")).toMatch(/^<!doctype html>/);
    expect(namesIn(join(path, ".."))).toEqual(["report.html"]);
  });

  it("never takes the place of a model's file, a directory, or what is no file", async () => {
    const place = temporaryFolder();
    const model = writeModel(join(place, "model"), tensors);
    const single = join(model, "model.safetensors");
    const before = readFileSync(single);
    symlinkSync("/dev/null", join(place, "link.html"));
    const refused = async (from: string, path: string, code: number, message: RegExp) => {
      const args = ["compare", from, nf4, "--html", path, "--overwrite"];
      const result = await quantwise(args);
      expect(result.stderr).toMatch(message);
      expect(result.code).toBe(code);
    };
    const part = /^quantwise: html: expected a file that is no part of the compared models/;
    await refused(model, single, 2, part);
    await refused(model, join(model, "config.json"), 2, part);
    await refused(single, join(model, "../model/model.safetensors"), 2, part);
    await refused(model, model, 1, /model is a directory/);
    await refused(model, join(place, "link.html"), 1, /not a regular file/);
    expect(readFileSync(single)).toEqual(before);
    expect(namesIn(place)).toEqual(["link.html", "model"]);
    // Beside a model's files is a good place.
    await compare(model, nf4, "--html", join(model, "report.html"));
    await compare(model, nf4, "--html", join(model, "report.html"), "--overwrite");
  });

  it("has names that are markup or control characters as text", async () => {
    const names = [
      "</script><script>alert(1)</script>",
      "<!--",
      "a\u001b[31mred\nline\u202eback\u0000",
      '"><img src=x onerror=alert(1)>',
      "__proto__",
    ];
    const hostile = names.map((name, i) => weights(name, [64, 64], "F32", { seed: i + 1 }));
    const model = writeModel(
      join(folder, "hostile"),
      hostile.filter(({ name }) => !name.includes("\0")),
    );
    const quantized = join(folder, "hostile int4");
    await quantizeModel(model, quantized, { include: ["**"], quantType: "int4" });
    const path = join(folder, "hostile.html");
    const flags = names
      .filter((name) => !name.includes("\0"))
      .flatMap((name) => ["--tensor", name]);
    const { stdout, stderr } = await compare(model, quantized, "--html", path, ...flags);
    const page = readFileSync(path, "utf8");
    expect(scriptsOf(page)).toHaveLength(2);
    expect(page).not.toContain("<script>alert");
    expect(page).not.toContain("<img");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    const controls = /[\u0000-\u0009\u000b-\u001f\u202e]/;
    for (const text of [page, stdout.toString(), stderr]) expect(text).not.toMatch(controls);
    expect(dataOf(page).tensors.names).toContain("</script><script>alert(1)</script>");
    expect(dataOf(page).histograms).toHaveLength(4);
    const { tensors: rows } = await jsonOf(model, quantized);
    expect(rows.map(({ name }: TestTensor) => name).sort()).toEqual(
      names.filter((name) => !name.includes("\0")).sort(),
    );
  });
});

describe("progress", () => {
  it("is a line a tensor on standard error, and --quiet is quiet", async () => {
    const { stderr } = await compare(original, nf4);
    const lines = stderr.split("\n");
    expect(lines).toHaveLength(22);
    for (const [i, line] of lines.slice(0, 21).entries()) {
      const position = String(i + 1).padStart(2);
      expect(line).toMatch(
        new RegExp(`^\\[${position}/21\\] (lm_head|model\\.)\\S* (nf4: \\d\\.\\d\\d|BF16: 0) %$`),
      );
    }
    expect((await compare(original, nf4, "--quiet")).stderr).toBe("");
  });
});

describe("what goes wrong", () => {
  const failing = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await quantwise(["compare", ...args]);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout.byteLength).toBe(0);
    return { code, stderr };
  };

  it.each([
    ["no model", []],
    ["one model", ["a"]],
    ["three", ["a", "b", "c"]],
    ["a limit that is no number", ["a", "b", "--limit", "many"]],
    ["an unknown flag", ["a", "b", "--worst"]],
    ["unknown kernels", ["a", "b", "--kernels", "cuda"]],
  ])("%s: exit code 2", async (_, args) => {
    expect((await failing(...args)).code).toBe(2);
  });

  it("a model that is not there: exit code 1 and its path", async () => {
    const missing = join(folder, "missing");
    for (const pair of [
      [missing, nf4],
      [original, missing],
    ]) {
      const { code, stderr } = await failing(...pair, "--html", join(folder, "x/y.html"));
      expect(stderr).toBe(`quantwise: cannot open ${missing}: it does not exist\n`);
      expect(code).toBe(1);
    }
    expect(existsSync(join(folder, "x"))).toBe(false);
  });

  it("other shapes: exit code 1 and the tensor's name", async () => {
    const [first, ...rest] = tensors as [TestTensor, ...TestTensor[]];
    const other = writeModel(join(folder, "other"), [{ ...first, shape: [64, 32] }, ...rest]);
    const { code, stderr } = await failing(other, nf4, "--quiet");
    expect(stderr).toContain(`tensor "${first.name}": its shape is [64, 32] in one checkpoint`);
    expect(code).toBe(1);
  });

  it("a reader that goes away, and a full disk behind standard output", async () => {
    const model = manyTensors();
    const runs = [
      ['"$0" "$@" > /dev/full', "the disk is full"],
      ['set -o pipefail; "$0" "$@" | true', "the reader of the output has gone away"],
    ] as const;
    for (const [script, reason] of runs) {
      const args = ["-c", script, process.execPath, cli, "compare", model, model, "--json"];
      const { status, stderr } = spawnSync("bash", args);
      expect(stderr.toString()).toContain(`quantwise: cannot write standard output: ${reason}`);
      expect(stderr.toString()).not.toMatch(/\n\s+at /);
      expect(status).toBe(1);
    }
  });

  it("a report that cannot be written whole leaves nothing", () => {
    const place = temporaryFolder();
    const script = 'ulimit -f 40; exec "$0" "$@"';
    const args = ["-c", script, process.execPath, cli, "compare", original, nf4, "--quiet"];
    const path = join(place, "sub/report.html");
    const { status, stderr, stdout } = spawnSync("bash", [...args, "--html", path]);
    expect(stderr.toString()).toMatch(/^quantwise: cannot write .*partial.*: /);
    expect([status, stdout.byteLength]).toEqual([1, 0]);
    expect(namesIn(place)).toEqual([]);
    writeFileSync(join(place, "old.html"), "old");
    const again = spawnSync("bash", [...args, "--html", join(place, "old.html"), "--overwrite"]);
    expect(again.status).toBe(1);
    expect(namesIn(place)).toEqual(["old.html"]);
    expect(readFileSync(join(place, "old.html"), "utf8")).toBe("old");
  });
});

describe("a disk", () => {
  /** Runs on a file system of its own, which only an administrator may mount. */
  async function onDisk(
    options: string,
    context: TestContext,
    act: (path: string) => Promise<void>,
  ): Promise<void> {
    const path = join(temporaryFolder(), "disk");
    mkdirSync(path);
    const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]);
    if (status !== 0) return context.skip("only root may mount a file system");
    try {
      await act(path);
    } finally {
      spawnSync("umount", [path]);
    }
  }

  it("that is full: told, and nothing is left", (context) =>
    onDisk("size=40k", context, async (disk) => {
      const path = join(disk, "report.html");
      const { code, stderr } = await quantwise([
        "compare",
        original,
        nf4,
        "--html",
        path,
        "--quiet",
      ]);
      expect(stderr).toMatch(/^quantwise: cannot write .*: the disk is full; free some space/);
      expect(code).toBe(1);
      expect(namesIn(disk)).toEqual([]);
    }));

  it("that is read-only: told before any work", (context) =>
    onDisk("ro,size=40k", context, async (disk) => {
      const path = join(disk, "report.html");
      const { code, stderr } = await quantwise(["compare", original, nf4, "--html", path]);
      expect(stderr).toMatch(/^quantwise: cannot create .*: the file system is read-only/);
      expect(code).toBe(1);
    }));
});

describe("an interrupted job", () => {
  const TENSORS = 400;

  /** 400 tensors of 4 MB of zeros: a sparse file takes no room, and all of it some time. */
  function largeModel(path: string): string {
    const bytes = 4 << 20;
    const members = Array.from({ length: TENSORS }, (_, i) => {
      const offsets = `[${i * bytes},${(i + 1) * bytes}]`;
      return `"layers.${i}.fc1.weight":{"dtype":"F32","shape":[1024,1024],"data_offsets":${offsets}}`;
    });
    const header = Buffer.from(`{${members.join(",")}}`);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.byteLength));
    const fd = openSync(path, "w");
    writeSync(fd, Buffer.concat([length, header]));
    ftruncateSync(fd, 8 + header.byteLength + TENSORS * bytes);
    closeSync(fd);
    return path;
  }

  const place = temporaryFolder();
  const large = largeModel(join(place, "large.safetensors"));

  /** Does it once a line of progress is there. */
  function onLine(child: ChildProcess, line: RegExp, act: () => void): void {
    let text = "";
    const listen = (chunk: Buffer) => {
      text += chunk.toString();
      if (!line.test(text)) return;
      child.stderr?.off("data", listen);
      act();
    };
    child.stderr?.on("data", listen);
  }

  it.each(["SIGINT", "SIGTERM"] as const)("by %s: 130, and no report", async (signal) => {
    const path = join(place, "reports/report.html");
    const { code, stdout, stderr } = await quantwise(["compare", large, large, "--html", path], {
      onStart: (child) => onLine(child, /^\[ *2\/400\]/m, () => child.kill(signal)),
    });
    expect(stderr).toContain(`quantwise: interrupted by ${signal}; nothing was left behind`);
    expect([code, stdout.byteLength]).toEqual([130, 0]);
    expect(namesIn(place)).toEqual(["large.safetensors"]);
  });

  it("after the last tensor, while other schemes are tried: 130, and no report", async () => {
    const zeros = Array.from({ length: 12 }, (_, i) => ({
      ...opaque(`layers.${i}.fc1.weight`, "F32", [512, 512]),
      bytes: new Uint8Array(4 * 512 * 512),
    }));
    const model = writeModel(join(folder, "matrices"), zeros);
    const quantized = join(folder, "matrices nf4");
    await quantizeModel(model, quantized, { include: ["**"] });
    const path = join(place, "late.html");
    const { code, stderr } = await quantwise(["compare", model, quantized, "--html", path], {
      onStart: (child) => onLine(child, /^\[12\/12\]/m, () => child.kill("SIGINT")),
    });
    expect(stderr).toContain("interrupted by SIGINT");
    expect(code).toBe(130);
    expect(namesIn(place)).toEqual(["large.safetensors"]);
  });

  it("whose second signal comes at once leaves nothing either", async () => {
    const path = join(place, "twice.html");
    const child = spawn(process.execPath, [cli, "compare", large, large, "--html", path]);
    const ended = new Promise<number | null>((done) => child.on("close", done));
    onLine(child, /^\[ *2\/400\]/m, () => {
      child.kill("SIGINT");
      child.kill("SIGTERM");
    });
    expect(await ended).toBe(130);
    expect(namesIn(place)).toEqual(["large.safetensors"]);
  });
});
