// The rows of the kernel benchmark: what runs, against what, and which ratio is asked for.

import { affineRows } from "./affine-rows.mjs";
import * as plain from "./plain-js.mjs";
import { runRows } from "./run-rows.mjs";
import { isOutOfCache, targetsOf } from "./targets.mjs";

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {Record<string, () => void>} contestants  `ours` and `memcpy`, maybe `naive`, `tuned`
 * @property {{ memcpy?: number, naive?: number, tuned?: number }} targets  ratios to reach
 */

/**
 * Rows for `count` values, a multiple of 1,024, that lie in the memory of `kernels`.
 *
 * @param {string} engine whose targets
 */
export function kernelRows(kernels, schemes, count, engine = "node 20") {
  const outOfCache = isOutOfCache(count);
  const { NF4, FP4, dynamic8 } = schemes;
  const targets = targetsOf(engine, count);

  const valuesPtr = kernels.allocate(4 * count);
  const copyPtr = kernels.allocate(4 * count);
  const bf16Ptr = kernels.allocate(2 * count);
  const f16Ptr = kernels.allocate(2 * count);
  const codesPtr = kernels.allocate(count);
  const nibblesPtr = kernels.allocate(count / 2);
  const absmaxPtr = kernels.allocate(count / 16);
  const windowPtr = kernels.allocate(6 * WINDOW);
  const places = { valuesPtr, copyPtr, codesPtr };
  const copying = { ...places, memcpy: () => memcpy() };
  fillNormal(new Float32Array(kernels.buffer, valuesPtr, count));
  const rowsOfIntegers = affineRows(kernels, schemes, copying, count, targets);
  const rowsOfRuns = runRows(kernels, schemes, copying, count);
  const { buffer } = kernels;
  const values = new Float32Array(buffer, valuesPtr, count);
  const copy = new Float32Array(buffer, copyPtr, count);
  const absmax = new Float32Array(buffer, absmaxPtr, count / 64);
  const nibbles = new Uint8Array(buffer, nibblesPtr, count / 2);
  const codes = new Uint8Array(buffer, codesPtr, count);
  kernels.convert("float32", "bfloat16", valuesPtr, bf16Ptr, count);
  kernels.convert("float32", "float16", valuesPtr, f16Ptr, count);
  const memcpy = () => copy.set(values);
  const inputs = { float32: valuesPtr, bfloat16: bf16Ptr, float16: f16Ptr };
  const js = { values, absmax: absmax.slice(), codes: nibbles.slice(), decoded: copy };
  const slow = (contestants) => (outOfCache ? {} : contestants);

  const quantize4 = (codebook, input) => () =>
    kernels.quantize4(codebook, "torch", input, inputs[input], nibblesPtr, absmaxPtr, count, 64);
  const dequantize4 = (codebook, output) => () =>
    kernels.dequantize4(codebook, output, nibblesPtr, absmaxPtr, copyPtr, count, 64);
  const convert = (from, to) => () => kernels.convert(from, to, inputs[from], copyPtr, count);

  const nf4Thresholds = [...schemes.midpoints(NF4)];
  const tables = plain.tunedTables(nf4Thresholds);
  const midpoints8 = schemes.midpoints(dynamic8());

  /** @type {Row[]} */
  const rows = [
    {
      name: "absmax f32",
      contestants: {
        memcpy,
        ours: () => kernels.absmax("float32", valuesPtr, absmaxPtr, count, 64),
        ...slow({ naive: () => plain.naiveAbsmax(js.values, js.absmax) }),
      },
      targets: targets("absmax"),
    },
  ];
  for (const [label, codebook] of [
    ["NF4", NF4],
    ["FP4", FP4],
  ]) {
    for (const input of ["float32", "bfloat16", "float16"]) {
      rows.push({
        name: `${label} quantize ${input}`,
        contestants: {
          memcpy,
          ours: quantize4(codebook, input),
          ...slow({
            tuned: () => plain.tunedQuantize(js.values, js.codes, js.absmax, tables),
            naive: () => plain.naiveQuantize(js.values, js.codes, js.absmax, nf4Thresholds),
          }),
        },
        targets: targets(input === "float16" ? "quantizeF16" : "quantize"),
      });
    }
    for (const output of ["float32", "bfloat16", "float16"]) {
      const half = output !== "float32";
      rows.push({
        name: `${label} dequantize ${output}`,
        contestants: {
          memcpy,
          ours: dequantize4(codebook, output),
          ...slow({
            naive: () => plain.naiveDequantize(js.codes, js.absmax, js.decoded, codebook.levels),
          }),
        },
        targets: targets(half ? "dequantizeHalf" : "dequantize"),
      });
    }
  }
  rows.push(
    {
      name: "dynamic8 quantize f32",
      contestants: {
        memcpy,
        ours: () =>
          kernels.quantize8(
            dynamic8(),
            "torch",
            "float32",
            valuesPtr,
            codesPtr,
            absmaxPtr,
            count,
            256,
          ),
        ...slow({
          naive: () => plain.naiveQuantize8(js.values, codes, js.absmax, midpoints8),
        }),
      },
      targets: targets("quantizeDynamic8"),
    },
    {
      name: "dynamic8 dequantize f32",
      contestants: {
        memcpy,
        ours: () =>
          kernels.dequantize8(dynamic8(), "float32", codesPtr, absmaxPtr, copyPtr, count, 256),
      },
      targets: targets("dequantizeDynamic8"),
    },
  );
  for (const [from, to] of [
    ["bfloat16", "float32"],
    ["float32", "bfloat16"],
    ["float16", "float32"],
    ["float32", "float16"],
  ]) {
    rows.push({
      name: `${from} to ${to}`,
      contestants: { memcpy, ours: convert(from, to) },
      targets: {},
    });
  }
  const window = { values, nibbles, absmax, windowPtr };
  rows.push(...rowsOfIntegers, ...rowsOfRuns);
  rows.push(...windowRows(kernels, schemes, window, count, targets));
  rows.push({
    name: "LLM.int8 quantize bf16",
    contestants: {
      memcpy,
      ours: () =>
        kernels.quantizeInt8Rows("bfloat16", bf16Ptr, codesPtr, absmaxPtr, count / 1024, 1024),
    },
    targets: {},
  });
  return rows;
}

/** Values of a window: 1 MB of f32. */
const WINDOW = 1 << 18;

/** Arrays outside WASM memory, copied through a window of it. */
function windowRows(kernels, { NF4 }, { values, nibbles, absmax, windowPtr }, count, targets) {
  const window = Math.min(WINDOW, count);
  const source = values.slice();
  const decoded = new Float32Array(count);
  const codes = nibbles.slice();
  const statistics = absmax.slice();
  const valuesPtr = windowPtr;
  const codesPtr = valuesPtr + 4 * window;
  const absmaxPtr = codesPtr + window / 2;
  const { buffer } = kernels;
  const windowValues = new Float32Array(buffer, valuesPtr, window);
  const windowCodes = new Uint8Array(buffer, codesPtr, window / 2);
  const windowAbsmax = new Float32Array(buffer, absmaxPtr, window / 64);
  const memcpy = () => decoded.set(source);

  const quantize = () => {
    for (let at = 0; at < count; at += window) {
      windowValues.set(source.subarray(at, at + window));
      kernels.quantize4(NF4, "torch", "float32", valuesPtr, codesPtr, absmaxPtr, window, 64);
      codes.set(windowCodes, at / 2);
      statistics.set(windowAbsmax, at / 64);
    }
  };
  const dequantize = () => {
    for (let at = 0; at < count; at += window) {
      windowCodes.set(codes.subarray(at / 2, (at + window) / 2));
      windowAbsmax.set(statistics.subarray(at / 64, (at + window) / 64));
      kernels.dequantize4(NF4, "float32", codesPtr, absmaxPtr, valuesPtr, window, 64);
      decoded.set(windowValues, at);
    }
  };
  return [
    {
      name: "NF4 quantize, JS arrays through 1 MB",
      contestants: { memcpy, ours: quantize },
      targets: targets("arraysQuantize"),
    },
    {
      name: "NF4 dequantize, JS arrays through 1 MB",
      contestants: { memcpy, ours: dequantize },
      targets: targets("arraysDequantize"),
    },
  ];
}

/** Box and Muller, from a fixed seed. */
export function fillNormal(values) {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < values.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    values[i] = 0.02 * radius * Math.cos(angle);
    values[i + 1] = 0.02 * radius * Math.sin(angle);
  }
}
