import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openFileSource } from "quantwise/node";
import { openSafetensors } from "quantwise/safetensors";
import { describe, expect, it } from "vitest";
import { OUTLIER, outlierPair, SIGMA, sampleWeights } from "../../bench/lib/sample-weights.mjs";
import { ErrorSums, roundTrip, WeightSums } from "../../bench/lib/scheme-error.mjs";
import { SCHEMES, schemeNamed } from "../../bench/lib/scheme-list.mjs";
import { overviewTable, percent } from "../../bench/lib/scheme-tables.mjs";
import { TensorComparison } from "../../src/metrics/comparison.ts";
import { figuresOf } from "../../src/metrics/comparison-figures.ts";

const rows = 32;
const columns = 512;
const shape = [rows, columns];
const weights = sampleWeights()[0].weights.slice(0, rows * columns);

function measured(name) {
  const sums = new ErrorSums();
  const { restored, bytes } = roundTrip(weights, shape, schemeNamed(name).options);
  sums.add(weights, restored, bytes);
  return { sums, restored };
}

describe("the benchmark of schemes", () => {
  it("names every scheme once", () => {
    expect(new Set(SCHEMES.map(({ name }) => name)).size).toBe(SCHEMES.length);
    expect(() => schemeNamed("int3")).toThrow(/no scheme "int3"; there are int8 tensor, /);
  });

  const elements = rows * columns;
  it.each([
    ["nf4 64", 4 + 32 / 64],
    ["nf4 64 +dq", 4 + 8 / 64 + 32 / (64 * 256) + 32 / elements],
    ["int4 64", 4 + 64 / 64],
    ["int4 64 +dq", 4 + 16 / 64 + 64 / (64 * 256)],
    ["int4 32 sym", 4 + 32 / 32],
    ["int8 tensor", 8 + 64 / elements],
    ["int8 channel sym", 8 + 32 / columns],
    ["llm-int8", 8 + 32 / columns],
    ["dynamic8 4096", 8 + 32 / 4096],
    ["mxfp4", 4 + 8 / 32],
    ["nvfp4", 4 + 8 / 16 + 32 / elements],
  ])("%s takes %d bits per weight", (name, bits) => {
    expect(measured(name).sums.bitsPerWeight).toBeCloseTo(bits, 9);
  });

  it.each(SCHEMES)("$name: errors as the library's own metrics tell them", ({ name }) => {
    const { sums, restored } = measured(name);
    const comparison = new TensorComparison();
    comparison.add(weights, restored);
    const figures = figuresOf(comparison.sums());
    expect(sums.relativeRms).toBeCloseTo(figures.relativeRms, 12);
    expect(sums.sqnrDb).toBeCloseTo(figures.sqnrDb, 9);
    const sigma = Math.sqrt(weights.reduce((sum, weight) => sum + weight ** 2, 0) / elements);
    expect(sums.largestOverSigma).toBeCloseTo(figures.largestError.magnitude / sigma, 9);
  });

  it("generates what it says, the same every time", () => {
    const [gaussian, heavy, ridden] = sampleWeights().map(({ weights: sample }) => {
      const sums = new WeightSums();
      sums.add(sample);
      return sums;
    });
    expect(gaussian.sigma / SIGMA).toBeCloseTo(1, 2);
    expect(gaussian.kurtosis).toBeCloseTo(3, 1);
    expect(heavy.kurtosis).toBeGreaterThan(30);
    // 0.1 % at 20σ add 0.4 to a variance of 1.
    expect((ridden.sigma / SIGMA) ** 2).toBeCloseTo(1.4, 1);
    const { clean, spoiled } = outlierPair();
    expect(spoiled.findIndex((weight, index) => weight !== clean[index])).toBe(OUTLIER.index);
    expect(Buffer.from(outlierPair().clean.buffer).equals(Buffer.from(clean.buffer))).toBe(true);
  });

  it("prints three digits", () => {
    expect([0.00613, 0.09142, 0.12, 0.99996, 1, 0, 0.0000048].map(percent)).toEqual([
      "0.613 %",
      "9.14 %",
      "12.0 %",
      "100 %",
      "100 %",
      "0 %",
      "0.00048 %",
    ]);
    const { sums } = measured("nf4 64");
    const errors = new Map([["nf4 64", sums]]);
    expect(overviewTable([{ name: "nf4 64" }], [{ name: "sample", errors }])).toBe(
      "| scheme | bits per weight | sample |\n| --- | --: | --: |\n" +
        `| nf4 64 | 4.500 | ${percent(sums.relativeRms)} |`,
    );
  });

  it("writes a model after a scheme as a plain checkpoint", async () => {
    const root = fileURLToPath(new URL("../../", import.meta.url));
    const folder = mkdtempSync(join(tmpdir(), "quantwise-test-"));
    try {
      const script = join(root, "scripts/parity/roundtrip.mjs");
      const run = [script, join(root, "examples/sample"), join(folder, "out"), "nf4 64 +dq"];
      const figures = JSON.parse(execFileSync(process.execPath, run, { encoding: "utf8" }));
      expect(figures.relativeRms).toBeGreaterThan(0.08);
      expect(figures.relativeRms).toBeLessThan(0.11);
      const source = await openFileSource(join(folder, "out/model.safetensors"));
      const { table } = await openSafetensors(source);
      await source.close();
      const dtypes = new Map(Array.from(table, ({ name, dtype }) => [name, dtype]));
      expect(figures.quantized.length).toBeGreaterThan(0);
      for (const name of figures.quantized) expect(dtypes.get(name)).toBe("F32");
      expect(dtypes.size).toBeGreaterThan(figures.quantized.length);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
