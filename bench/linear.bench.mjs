// Products with compressed weights against float products, plain JavaScript and ONNX Runtime Web, in
// the same rounds. Every call finds its weights in memory, not in a cache: 64 MB are read before it.
//
//   node bench/linear.bench.mjs [--write] [--rounds N]
//
// --write puts the tables into bench/results-linear.md, in the place of this Node's last ones.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { quantize } from "quantwise";
import { linear, prepareLinear } from "quantwise/linear";
import { NF4 } from "quantwise/schemes";
import { floatWasm } from "./lib/float-wasm.mjs";
import { interleaveAfter, speedRatio, spread } from "./lib/measure.mjs";
import { matMulBnb4, matMulNBits } from "./lib/onnx-products.mjs";

const { values: options } = parseArgs({
  options: {
    write: { type: "boolean", default: false },
    rounds: { type: "string", default: "31" },
  },
});

const ROWS = 4096;
const COLUMNS = 4096;
const BATCHES = [8, 64];
const SCHEMES = {
  "NF4, block 64": { quantType: "nf4", doubleQuant: false },
  "FP4, block 64": { quantType: "fp4" },
  "INT4 symmetric, block 32": {
    quantType: "int4",
    granularity: "block",
    blockSize: 32,
    doubleQuant: false,
    symmetric: true,
  },
  "UINT4 with zero points, block 64": { quantType: "uint4", granularity: "block", blockSize: 64 },
  "INT8 symmetric, a scale a row": { quantType: "int8", granularity: "channel", symmetric: true },
  "UINT8 with zero points, block 64": { quantType: "uint8", granularity: "block", blockSize: 64 },
  "LLM.int8": { quantType: "llm-int8" },
};
const HEAD = `# Products with compressed weights

\`npm run bench:linear\` writes this. Interleaved rounds, median (10th to 90th percentile); a ratio is the speed over that
of the other in the same round. Before each call 64 MB of floats are read, so that weights come from memory. *f32* is a
product with float weights on WebAssembly SIMD, *naive JS* a loop over NF4. Targets were set on a machine with half the
memory bandwidth, where f32 is that much slower; — means that none is set.`;
const TARGETS = { float: { f32: 1.6, naive: 9 }, int8: { naive: 30 }, peak: { 8: 45, 64: 55 } };

const weights = normals(ROWS * COLUMNS, 1);
const x = normals(Math.max(...BATCHES) * COLUMNS, 2);
const one = x.subarray(0, COLUMNS);
const shape = [ROWS, COLUMNS];
const records = Object.fromEntries(
  Object.entries(SCHEMES).map(([name, scheme]) => [name, quantize(weights, { ...scheme, shape })]),
);
const layers = Object.entries(records).map(([name, record]) => [name, prepareLinear(record)]);
const float = await floatWasm(weights, ROWS, COLUMNS);
const out = new Float32Array(ROWS);
const evict = () => float.gemv(one, out);

const nf4 = records["NF4, block 64"];
const bnb4 = matMulBnb4(nf4, 64);
const nBits = matMulNBits(records["INT4 symmetric, block 32"], 32);
checkSame(await bnb4(one), linear(one, nf4), "MatMulBnb4");
checkSame(await nBits(one), linear(one, records["INT4 symmetric, block 32"]), "MatMulNBits");

const contestants = {
  naive: () => naiveNf4(nf4, one, out),
  f32: () => float.gemv(one, out),
  "ONNX Runtime Web, MatMulBnb4 NF4": () => bnb4(one),
  "ONNX Runtime Web, MatMulNBits INT4": () => nBits(one),
};
for (const [name, layer] of layers) {
  contestants[name] = () => linear(one, layer, { out });
  contestants[`${name}; int8`] = () => linear(one, layer, { out, activations: "int8" });
}
const samples = await interleaveAfter(contestants, Number(options.rounds), evict);
const lines = [
  `${cpus()[0]?.model.trim()}, V8 ${process.versions.v8}, ${new Date().toISOString().slice(0, 10)}; ` +
    "one thread.",
  "",
  `### One row times ${ROWS} × ${COLUMNS}`,
  "",
  "| weights | activations | ms | Gweights/s | × f32 | target | × naive JS | target |",
  "|---|---|--:|--:|--:|--:|--:|--:|",
];
lines.push(rowOf("f32, WASM SIMD", "f32", "f32", {}));
lines.push(rowOf("NF4, naive JS", "f32", "naive", {}));
for (const name of Object.keys(contestants).filter((name) => name.startsWith("ONNX"))) {
  lines.push(rowOf(name, "f32", name, {}));
}
for (const [name] of layers) {
  lines.push(rowOf(name, "float", name, TARGETS.float));
  lines.push(rowOf(name, "int8", `${name}; int8`, TARGETS.int8));
}
lines.push("", "### Batches", "");
lines.push(
  "Float activations. The peak is the best that 128-bit multiplications and additions in registers reach",
  "in the same rounds; the rest are medians.",
  "",
  "| weights | batch | ms | GFLOP/s | % of the peak | target |",
  "|---|--:|--:|--:|--:|--:|",
);
for (const batch of BATCHES) {
  const some = x.subarray(0, batch * COLUMNS);
  const result = new Float32Array(batch * ROWS);
  const products = Object.fromEntries(
    layers.map(([name, layer]) => [name, () => linear(some, layer, { out: result })]),
  );
  if (batch === 8) {
    products["ONNX Runtime Web, MatMulBnb4 NF4"] = () => bnb4(some);
    products["ONNX Runtime Web, MatMulNBits INT4"] = () => nBits(some);
  }
  for (const [i, { run }] of float.registers.entries()) products[`registers ${i}`] = run;
  const rounds = Math.ceil(Number(options.rounds) / 2);
  const taken = Object.entries(await interleaveAfter(products, rounds, evict));
  const peak = Math.max(
    ...float.registers.map(({ flops }, i) => flops / Math.min(...taken.at(i - 2)[1]) / 1e6),
  );
  lines.push(`| registers alone, the best | ${batch} | | ${peak.toFixed(1)} | 100 | — |`);
  for (const [name, times] of taken.slice(0, -2)) {
    const speed = spread(times.map((ms) => (2 * batch * ROWS * COLUMNS) / ms / 1e6));
    const target = name.startsWith("ONNX") ? "—" : TARGETS.peak[batch];
    const percent = ((100 * speed.median) / peak).toFixed(0);
    const cells = [name, batch, msOf(times), speed.median.toFixed(1), percent, target];
    lines.push(`| ${cells.join(" | ")} |`);
  }
}
const report = lines.join("\n");
console.log(report);
if (options.write) writeResults(report);

function rowOf(title, activations, name, targets) {
  const times = samples[name];
  const speed = spread(times.map((ms) => (ROWS * COLUMNS) / ms / 1e6)).median.toFixed(2);
  const cells = ["f32", "naive"].flatMap((base) => {
    const { median, p10, p90 } = speedRatio(samples, name, base);
    const text = `${median.toFixed(2)} (${p10.toFixed(2)}–${p90.toFixed(2)})`;
    return [base === name ? "1" : text, targets[base] ?? "—"];
  });
  return `| ${[title, activations, msOf(times), speed, ...cells].join(" | ")} |`;
}

function msOf(times) {
  const { median, p10, p90 } = spread(times);
  return `${median.toFixed(2)} (${p10.toFixed(2)}–${p90.toFixed(2)})`;
}

/** What anybody would write first. */
function naiveNf4({ codes, absmax, shape: [rows, columns] }, input, y) {
  const { levels } = NF4;
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++) {
      const i = row * columns + column;
      const byte = codes[i >> 1];
      const code = i & 1 ? byte & 15 : byte >> 4;
      sum += levels[code] * absmax[Math.floor(i / 64)] * input[column];
    }
    y[row] = sum;
  }
}

/** Box and Muller, from a seed. */
function normals(count, seed) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return Float32Array.from({ length: count }, normal);
}

function checkSame(actual, expected, name) {
  const largest = Math.max(...expected.map(Math.abs));
  const wrong = actual.findIndex((y, i) => !(Math.abs(y - expected[i]) < 1e-4 * largest));
  if (wrong >= 0)
    throw new Error(`${name}: row ${wrong}: ${actual[wrong]}, ours ${expected[wrong]}`);
}

function writeResults(text) {
  const path = new URL("results-linear.md", import.meta.url);
  const title = `## Node ${process.versions.node.split(".")[0]}\n`;
  const old = existsSync(path)
    ? readFileSync(path, "utf8")
        .split(/^(?=## Node )/m)
        .slice(1)
    : [];
  const sections = [...old.filter((section) => !section.startsWith(title)), `${title}\n${text}\n`];
  writeFileSync(
    path,
    `${[HEAD, ...sections.sort().map((section) => section.trimEnd())].join("\n\n")}\n`,
  );
}
