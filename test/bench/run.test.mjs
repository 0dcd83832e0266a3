import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dequantize, quantize } from "quantwise";
import { describe, expect, it, vi } from "vitest";
import { lineChart } from "../../bench/lib/line-chart.mjs";
import { interleave, QUICK, speedRatio, spread } from "../../bench/lib/measure.mjs";
import { withSection } from "../../bench/lib/results.mjs";
import { meantRate, targetsOf } from "../../bench/lib/targets.mjs";

vi.setConfig({ testTimeout: 120_000 });

const major = Number(process.versions.node.split(".")[0]);

/** Each, as small as it gets, and a row that it must print. */
const BENCHES = [
  ["kernels", ["--quick"], /^\| NF4 quantize float32 \| \d+\.\d\d \|/m],
  ["library", ["--quick"], /^\| `quantize\(w, \{ out \}\)` \| [\d.]+ /m],
  ["peers", ["--quick"], /^\| DynamicQuantizeLinear, uint8, arrays \| [\d.]+ /m],
  ["growth", ["--quick"], /^\| 1 K \| [\d.]+ /m],
  ["engines", ["--quick", "--only", "this node"], /^\| INT4 dequantize, per tensor \| [\d.]+; /m],
  ["linear", ["--rounds", "1"], /^\| NF4, block 64 \| float \| [\d.]+ /m],
  ["threads", ["1"], /^nf4 {2}`quantize` {2}[\d.]+/m],
  ["header", ["1000"], /1000 tensors/],
];

describe("the benchmarks", () => {
  it.each(BENCHES)("%s runs", (name, args, row) => {
    expect(outputOf(`${name}.bench.mjs`, args)).toMatch(row);
  });

  it.runIf(major >= 22)("relaxed runs", () => {
    expect(outputOf("relaxed.bench.mjs", ["--only", "^NF4 dequantize f"])).toMatch(/float32 +\d/);
  });

  it.each(["1", "2"])("peers.py is served, %s threads", (threads) => {
    const folder = mkdtempSync(join(tmpdir(), "quantwise-test-"));
    try {
      const path = join(folder, "weights.f32");
      const weights = Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i));
      writeFileSync(path, weights);
      const input = "nf4; quantize\nnf4; dequantize; bfloat16; into ours\nsave\n";
      const lines = outputOf("lib/serve-jobs.mjs", [path, "64", threads], { input }).split("\n");
      expect(Number(lines[0])).toBeGreaterThan(0);
      expect(Number(lines[1])).toBeGreaterThan(0);
      expect(lines[2]).toBe("saved");
      const record = quantize(weights, { quantType: "nf4", doubleQuant: false });
      const { buffer } = dequantize(record, { dtype: "bfloat16" });
      expect(readFileSync(`${path}.made`).equals(Buffer.from(buffer))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("run.mjs runs those it is asked for, and knows no others", () => {
    expect(outputOf("run.mjs", ["--quick", "library"])).toMatch(/^== library\n/m);
    expect(() => outputOf("run.mjs", ["kernel"])).toThrow(/kernel: expected one of kernels, /);
  });
});

describe("measuring", () => {
  it("runs all in every round, and takes ratios within it", () => {
    const order = [];
    const contestants = { a: () => order.push("a"), b: () => order.push("b") };
    const samples = interleave(contestants, 3, QUICK);
    expect(samples.a).toHaveLength(3);
    expect(samples.b).toHaveLength(3);
    expect(order.slice(-6)).toEqual(["a", "b", "a", "b", "a", "b"]);
    expect(speedRatio({ ours: [1, 2, 4], base: [2, 6, 4] }, "ours", "base").median).toBe(2);
    expect(spread([5, 1, 9, 3, 7])).toEqual({ median: 5, p10: 1, p90: 9 });
  });

  it("has targets by engine and size", () => {
    expect(targetsOf("bun", 1 << 16)("dequantize").memcpy).toBe(0.35);
    expect(targetsOf("deno", 1 << 16)("dequantize").memcpy).toBe(0.4);
    expect(targetsOf("node 20", 1 << 16)("dequantize")).toEqual({ memcpy: 0.5, naive: 10 });
    expect(targetsOf("bun", 1 << 24)("dequantize").memcpy).toBe(1.6);
    expect(targetsOf("bun", 1 << 24)()).toEqual({});
    expect(meantRate(0.5, 1 << 16)).toBe(7);
    expect(meantRate(1.6, 1 << 24)).toBe(4);
  });

  it("replaces its own section of the results", () => {
    const first = withSection("# Old\n\ntext\n\n## Gone\n\nx\n", "How cost grows", "a");
    const both = withSection(first, "Kernels", "b\n\n### Table");
    expect(both.match(/^## .*/gm)).toEqual(["## Kernels", "## How cost grows"]);
    expect(both).toContain("\n\n## Kernels\n\nb\n\n### Table\n\n## How cost grows\n\na\n");
    expect(withSection(both, "Kernels", "b\n\n### Table")).toBe(both);
    expect(both).not.toContain("Gone");
  });

  it("draws a line from corner to corner", () => {
    const svg = lineChart({
      title: "a < b",
      xLabel: "x",
      yLabel: "y",
      xTicks: [
        { at: 1, text: "1" },
        { at: 100, text: "100" },
      ],
      yTicks: [1, 10, 100],
      lines: [
        {
          name: "line",
          points: [
            [1, 1],
            [10, 10],
            [100, 100],
          ],
        },
      ],
    });
    expect(svg).toContain("a &lt; b");
    expect(svg).toContain('points="56.0,372.0 313.0,206.0 570.0,40.0"');
  });
});

function outputOf(script, args, options = {}) {
  const path = fileURLToPath(new URL(`../../bench/${script}`, import.meta.url));
  return execFileSync(process.execPath, [path, ...args], {
    encoding: "utf8",
    stdio: "pipe",
    ...options,
  });
}
