// `quantize` and `dequantize` with the caller's arrays: tiny tensors, 64 MB from and to plain arrays, what
// double quantization adds, and what an engine gains that keeps weights in WebAssembly memory.
//
//   node bench/library.bench.mjs [--write] [--quick]

import { parseArgs } from "node:util";
import { fillNormal } from "./lib/kernel-rows.mjs";
import { loadSource } from "./lib/load-source.mjs";
import { interleave, QUICK, speedRatio, spread } from "./lib/measure.mjs";
import { putSection, setting, tableOf, withSpread } from "./lib/results.mjs";

const { values: flags } = parseArgs({
  options: {
    write: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});
const pace = flags.quick ? QUICK : undefined;
const { createKernelSet, dequantize, NF4, quantize, quantizeBatch } = await loadSource();
const single = { quantType: "nf4", doubleQuant: false };

const text = `${setting()}

### Tiny tensors: NF4, 64 values, microseconds a tensor

${tinyTable()}

### ${flags.quick ? "Quick" : "64 MB of f32 in plain arrays"}

*Set* is \`TypedArray.set\` of the same floats. The kernels have theirs in WebAssembly memory already.

${largeTable()}`;
console.log(text);
if (flags.write) putSection("The library", text);

function tinyTable() {
  const values = normals(64);
  const out = { codes: new Uint8Array(32), absmax: new Float32Array(1) };
  const record = quantize(values, { ...single, out });
  const decoded = new Float32Array(64);
  const batch = Array.from({ length: 1000 }, () => normals(64));
  const intoOut = { ...single, out };
  const intoDecoded = { out: decoded };
  const samples = interleave(
    {
      "`quantize(w, { out })`": () => quantize(values, intoOut),
      "`quantize(w)`": () => quantize(values, single),
      "`quantize(w)`, double quantization": () => quantize(values),
      "`dequantize(q, { out })`": () => dequantize(record, intoDecoded),
      "`quantizeBatch` of 1000": () => quantizeBatch(batch, single),
      "`quantize(w)` of 1000 in a loop": () => batch.map((weights) => quantize(weights, single)),
    },
    flags.quick ? 3 : 101,
    pace,
  );
  const targets = { "`quantize(w, { out })`": 0.5 };
  const rows = Object.entries(samples).map(([name, times]) => {
    const tensors = name.includes("1000") ? 1000 : 1;
    const microseconds = spread(times.map((ms) => (ms * 1000) / tensors));
    return [name, withSpread(microseconds), targets[name] ?? "—"];
  });
  return tableOf(["", "µs", "target, at most"], rows);
}

function largeTable() {
  const count = flags.quick ? 1 << 12 : 1 << 24;
  const values = normals(count);
  const copy = new Float32Array(count);
  const out = { codes: new Uint8Array(count / 2), absmax: new Float32Array(count / 64) };
  const record = quantize(values, { ...single, out });
  const { kernels } = createKernelSet();
  const [valuesPtr, codesPtr, absmaxPtr] = [4 * count, count / 2, count / 16].map((bytes) =>
    kernels.allocate(bytes),
  );
  new Float32Array(kernels.buffer, valuesPtr, count).set(values);
  const places = [valuesPtr, codesPtr, absmaxPtr, count, 64];
  const samples = interleave(
    {
      set: () => copy.set(values),
      quantize: () => quantize(values, { ...single, out }),
      dequantize: () => dequantize(record, { out: copy }),
      "kernel quantize": () => kernels.quantize4(NF4, "torch", "float32", ...places),
      "kernel dequantize": () =>
        kernels.dequantize4(NF4, "float32", codesPtr, absmaxPtr, valuesPtr, count, 64),
    },
    flags.quick ? 3 : 25,
    pace,
  );
  const rate = (name) => (count / spread(samples[name]).median / 1e6).toFixed(2);
  const row = (what, name, base, target) => {
    const ratio = speedRatio(samples, name, base);
    return [what, rate(name), withSpread(ratio), target, ratio.median < target ? "misses" : "pass"];
  };
  const nested = nestedSamples(values.subarray(0, count / 16));
  const extra = spread(nested.double.map((ms, round) => 100 * (ms / nested.single[round] - 1)));
  return tableOf(
    ["", "Gval/s", "ratio", "target", ""],
    [
      ["set", rate("set"), "", "", ""],
      row("`quantize(w, { out })` over set", "quantize", "set", 0.45),
      row("`dequantize(q, { out })` over set", "dequantize", "set", 0.8),
      row("`quantize4` of quantwise/kernels over `quantize`", "kernel quantize", "quantize", 1.6),
      row(
        "`dequantize4` of quantwise/kernels over `dequantize`",
        "kernel dequantize",
        "dequantize",
        2,
      ),
      [
        "double quantization of 1 M: percent on top of `quantize(w)`",
        "",
        withSpread(extra, 1),
        "at most 3",
        extra.median > 3 ? "misses" : "pass",
      ],
    ],
  );
}

/** Both allocate what they return; more of it, and its collection would be what is timed. */
function nestedSamples(values) {
  const nested = { quantType: "nf4", doubleQuant: true };
  const contestants = {
    single: () => quantize(values, single),
    double: () => quantize(values, nested),
  };
  return interleave(contestants, flags.quick ? 3 : 201, pace);
}

function normals(count) {
  const values = new Float32Array(count);
  fillNormal(values);
  return values;
}
