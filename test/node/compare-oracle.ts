/** What a comparison must find, from weights and records in memory: plain loops, one element at a time. */

import { expect } from "vitest";
import type { QuantizedTensor, QuantizeOptions } from "../../src/index.ts";
import { dequantize, quantize } from "../../src/index.ts";
import { figuresOf } from "../../src/metrics/comparison-figures.ts";
import type { ComparedReport } from "../../src/node/index.ts";
import { createDynamicMap } from "../../src/schemes/index.ts";
import type { TestTensor } from "../checkpoint/safetensors-files.ts";
import { scaleIndexes } from "../tensor/naive.ts";

/** A float tensor's values. */
export function valuesOf({ dtype, bytes }: TestTensor): Float32Array {
  const copy = bytes.slice().buffer;
  if (dtype === "F32") return new Float32Array(copy);
  return Float32Array.from(new Uint16Array(copy), dtype === "BF16" ? fromBf16 : fromF16);
}

function fromBf16(bits: number): number {
  return new Float32Array(Uint32Array.of(bits * 65536).buffer)[0] as number;
}

function fromF16(bits: number): number {
  const sign = bits >> 15 === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15));
}

const DTYPES = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/** The record that the tensor's own bits make. */
export function recordOf(tensor: TestTensor, options: QuantizeOptions): QuantizedTensor {
  const copy = tensor.bytes.slice().buffer;
  const bits = tensor.dtype === "F32" ? new Float32Array(copy) : new Uint16Array(copy);
  const dtype = DTYPES[tensor.dtype as keyof typeof DTYPES];
  return quantize(bits, { ...options, shape: tensor.shape, dtype });
}

/** A [rows, columns] tensor as [columns, rows]. */
export function transposed(tensor: TestTensor): TestTensor {
  const [rows, columns] = tensor.shape as [number, number];
  const item = tensor.bytes.byteLength / (rows * columns);
  const bytes = new Uint8Array(tensor.bytes.byteLength);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = (row * columns + column) * item;
      bytes.set(tensor.bytes.subarray(from, from + item), (column * rows + row) * item);
    }
  }
  return { ...tensor, shape: [columns, rows], bytes };
}

export interface Figures {
  readonly mse: number;
  readonly relativeRms: number;
  readonly sqnrDb: number;
  readonly cosine: number;
  readonly largest: number;
  /** Of the first element that has it. */
  readonly largestIndex: number | undefined;
  readonly nonFinite: number;
  readonly newNonFinite: number;
}

export function figures(w: ArrayLike<number>, r: ArrayLike<number>): Figures {
  let [ee, ww, rr, wr, count, newNonFinite, largest] = [0, 0, 0, 0, 0, 0, 0];
  let largestIndex: number | undefined;
  for (let i = 0; i < w.length; i++) {
    const [a, b] = [w[i] as number, r[i] as number];
    if (!Number.isFinite(a) || !Number.isFinite(b)) {
      if (Number.isFinite(a)) newNonFinite++;
      continue;
    }
    count++;
    ee += (a - b) ** 2;
    ww += a ** 2;
    rr += b ** 2;
    wr += a * b;
    if (Math.abs(a - b) > largest) {
      largest = Math.abs(a - b);
      largestIndex = i;
    }
  }
  const isNone = count === 0;
  return {
    // Of nothing, the figures of equal tensors.
    mse: isNone ? 0 : ee / count,
    relativeRms: isNone ? 0 : Math.sqrt(ee / ww),
    sqnrDb: isNone ? Infinity : 10 * Math.log10(ww / ee),
    cosine: isNone ? 1 : wr / Math.sqrt(ww * rr),
    largest,
    largestIndex,
    nonFinite: w.length - count,
    newNonFinite,
  };
}

/** Expects the figures, to ten digits; counts and the largest error exactly. */
export function expectFigures(report: ComparedReport, expected: Figures): void {
  const got = figuresOf(report.sums);
  const near = (actual: number, wanted: number, what: string) => {
    const isNear = actual === wanted || Math.abs(actual - wanted) <= 1e-10 * Math.abs(wanted);
    if (!isNear) expect.fail(`${report.name}: ${what} is ${actual}, expected ${wanted}`);
  };
  near(got.mse, expected.mse, "MSE");
  near(got.rmse, Math.sqrt(expected.mse), "RMSE");
  near(got.relativeRms, expected.relativeRms, "relative RMS");
  near(got.sqnrDb, expected.sqnrDb, "SQNR");
  near(got.cosine, expected.cosine, "cosine");
  const { largest, largestIndex, nonFinite, newNonFinite } = expected;
  expect(got.largestError?.magnitude ?? 0, `${report.name}: largest error`).toBe(largest);
  expect(got.largestError?.index, `${report.name}: where it is`).toBe(largestIndex);
  expect([got.nonFinite, got.newNonFinite], report.name).toEqual([nonFinite, newNonFinite]);
}

/** Codes of both ends, in the numbers that `codesOf` gives; and the largest step between levels. */
const ENDS: Readonly<Record<string, readonly [lowest: number, highest: number, step: number]>> = {
  nf4: [0, 15, 1 - 0.6961928009986877],
  fp4: [11, 3, 1 / 3],
  af4: [0, 15, 1 - Math.fround(0.69441008)],
  // Between 0.1 and 1 the dynamic map has 64 equal steps.
  dynamic8: [0, 255, 0.9 / 64],
  // A weight is rounded to float16 first: by at most 2⁻¹¹ of 127 steps, to either side.
  "llm-int8": [-127, 127, 1 + 2 * 127 * 2 ** -11],
  int4: [-8, 7, 1],
  uint4: [0, 15, 1],
  int8: [-128, 127, 1],
  uint8: [0, 255, 1],
  mxfp4: [15, 7, 2],
  nvfp4: [15, 7, 2],
  mxfp8: [0xfe, 0x7e, 32],
  "fp8-e4m3": [0xfe, 0x7e, 32],
  "mxfp8-e5m2": [0xfb, 0x7b, 8192],
  "fp8-e5m2": [0xfb, 0x7b, 8192],
};

/** One code an element, as a number. */
function codesOf(record: QuantizedTensor): number[] {
  const { quantType, codes } = record;
  if (!quantType.endsWith("4")) return [...codes];
  const isHighFirst = "absmax" in record;
  const count = record.shape.reduce((product, extent) => product * extent, 1);
  return Array.from({ length: count }, (_, i) => {
    const byte = codes[i >> 1] as number;
    const code = (i % 2 === 0) === isHighFirst ? byte >> 4 : byte & 15;
    return quantType === "int4" && code > 7 ? code - 16 : code;
  });
}

/** The scale of each element, in the unit of levels: see `ENDS`. */
function scaleOf(record: QuantizedTensor): (element: number) => number {
  if (record.quantType === "llm-int8") {
    const columns = record.shape[1] as number;
    return (i) => (record.scb[Math.floor(i / columns)] as number) / 127;
  }
  if ("absmax" in record) {
    const { absmax, blockSize } = record;
    const nested = "nested" in record ? record.nested : undefined;
    return (i) => {
      const block = Math.floor(i / blockSize);
      const stored = absmax[block] as number;
      if (nested === undefined) return stored;
      const group = nested.absmax[Math.floor(block / nested.blockSize)] as number;
      return Math.fround(Math.fround((nested.levels[stored] as number) * group) + nested.offset);
    };
  }
  const { of } = scaleIndexes(0, record);
  const { scale } = record;
  if ("nested" in record && record.nested !== undefined) {
    const { ranges } = record.nested;
    const map = createDynamicMap({ signed: false });
    return (i) => {
      const at = of(i);
      const code = scale[at] as number;
      const [base, step] = ranges.slice(2 * Math.floor(at / 256)) as never as [number, number];
      if (code === 0) return 1;
      return step < 0 ? (map[code] as number) * base : base + (code - 1) * step;
    };
  }
  if (scale instanceof Float32Array) return (i) => scale[of(i)] as number;
  if ("tensorScale" in record) {
    return (i) => e4m3(scale[of(i)] as number) * (record.tensorScale as number);
  }
  return (i) => 2 ** ((scale[of(i)] as number) - 127);
}

function e4m3(byte: number): number {
  const exponent = byte >> 3;
  return exponent === 0 ? (byte & 7) * 2 ** -9 : (8 + (byte & 7)) * 2 ** (exponent - 10);
}

export interface Counts {
  readonly saturated: number;
  readonly clipped: number;
}

/** Saturated and clipped elements of a record, counted one by one. */
export function counts(w: Float32Array, record: QuantizedTensor): Counts {
  const [lowest, highest, step] = ENDS[record.quantType] as readonly [number, number, number];
  const restored = dequantize(record);
  const scale = scaleOf(record);
  const saturated = codesOf(record).filter((code) => code === lowest || code === highest).length;
  let clipped = 0;
  for (let i = 0; i < w.length; i++) {
    const error = Math.abs((w[i] as number) - (restored[i] as number));
    const limit = (step / 2) * Math.abs(scale(i)) * (1 + 2 ** -10);
    if (Number.isFinite(error) && error > limit) clipped++;
  }
  return { saturated, clipped };
}
