// Size and error of every scheme on generated weights and on models.
//
//   node bench/schemes.bench.mjs [NAME=MODEL ...] [--write]
//
// MODEL is a .safetensors file or a checkpoint directory, F32 or BF16; what `quantwise quantize`
// would select is measured. --write also records the tables in bench/results-schemes.md.
// Run `npm run build` first. No figure here depends on the machine's speed.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { visitModel } from "./lib/model-weights.mjs";
import { OUTLIER, outlierPair, SHAPE, sampleWeights } from "./lib/sample-weights.mjs";
import { ErrorSums, roundTrip, sumsOver, WeightSums } from "./lib/scheme-error.mjs";
import { SCHEMES } from "./lib/scheme-list.mjs";
import {
  damageTable,
  detailTable,
  doubleQuantTable,
  overviewTable,
  weightsTable,
} from "./lib/scheme-tables.mjs";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean", default: false } },
});

const sets = [];
const names = [];
for (const { name, what, shape, weights } of sampleWeights()) {
  const set = newSet(name, what);
  measure(set, weights, shape);
  sets.push(set);
}
for (const argument of positionals) {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(argument) ?? [];
  if (path === undefined) throw new Error(`expected NAME=MODEL, got "${argument}"`);
  const set = newSet(name, "the linear weights of a model");
  await visitModel(path, ({ entry, weights }) => {
    if (weights !== undefined) measure(set, weights, entry.shape);
  });
  if (set.sums.tensors === 0) throw new Error(`${path}: no linear weights were found`);
  sets.push(set);
  names.push(name);
}

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const machine = `${cpus()[0]?.model.trim()}, Node ${process.versions.node} (V8 ${process.versions.v8})`;
const report = `# Error of every scheme

quantwise ${version}, ${machine}, ${new Date().toISOString().slice(0, 10)}. Written by
\`npm run bench:schemes -- --write${names.map((name) => ` ${name}=…`).join("")}\`.
[docs/choosing-a-scheme.md](../docs/choosing-a-scheme.md) says which models these are and what to make of it.

- *Relative RMS error* is √(Σ(w − w')² / Σw²) over all elements: for a model, layers weigh in by their energy.
- *SQNR* is the same in decibels: −20·log10 of it.
- σ is the RMS of a tensor; *largest error* is max |w − w'| over the σ of its tensor.
- *Bits per weight* counts codes, scales, zero points and offsets as \`quantize\` returns them. Scales and zero
  points are f32 unless double quantized. Constant tables and the text around them are not counted.
- A number behind the type is the block size. Affine types have zero points unless they say *sym*. *+dq* is
  double quantization.

## The weights

${weightsTable(sets)}

## Relative RMS error of all

Bits are those of the first column; rows that are not a multiple of the block size cost a little more.

${overviewTable(SCHEMES, sets)}

## Double quantization: what it saves, and the error without → with it

${doubleQuantTable(SCHEMES, sets)}

## One outlier of ${OUTLIER.sigmas}σ

Normal weights, ${SHAPE.join(" × ")}, one of them replaced by ${OUTLIER.sigmas}σ. Relative RMS error of the *other* weights, by how
near they are to it, and how many of them became 0. "256 blocks" are the blocks of 64 whose scales are double
quantized together.

${damageTable(measureDamage())}
${sets.map((set) => `\n## ${set.name}\n\n${detailTable(SCHEMES, set)}\n`).join("")}`;

console.log(report);
if (flags.write) writeFileSync(new URL("results-schemes.md", import.meta.url), report);

function newSet(name, what) {
  const errors = new Map(SCHEMES.map((scheme) => [scheme.name, new ErrorSums()]));
  return { name, what, errors, sums: new WeightSums() };
}

function measure({ sums, errors }, weights, shape) {
  sums.add(weights);
  for (const { name, options } of SCHEMES) {
    const { restored, bytes } = roundTrip(weights, shape, options);
    errors.get(name).add(weights, restored, bytes);
  }
}

function measureDamage() {
  const { shape, clean, spoiled } = outlierPair();
  const [rows, columns] = shape;
  const { index } = OUTLIER;
  // Nested ranges, the smallest first: 64 weights, their row, 16 rows (256 blocks), all.
  const spans = [64, columns, 64 * 256, rows * columns].map((size) => {
    const start = index - (index % size);
    return { start, end: start + size };
  });
  return SCHEMES.map(({ name, options }) => {
    const before = roundTrip(clean, shape, options).restored;
    const { restored } = roundTrip(spoiled, shape, options);
    const own = sumsOver(spoiled, restored, index, index + 1);
    let inner = own;
    const regions = spans.map(({ start, end }) => {
      const sums = sumsOver(spoiled, restored, start, end);
      const errorSquares = sums.errorSquares - inner.errorSquares;
      const squares = sums.squares - inner.squares;
      inner = sums;
      return Math.sqrt(errorSquares / squares);
    });
    const all = sumsOver(clean, before, 0, clean.length);
    return {
      name,
      clean: Math.sqrt(all.errorSquares / all.squares),
      regions,
      zeros: (inner.zeros - own.zeros) / (clean.length - 1),
    };
  });
}
