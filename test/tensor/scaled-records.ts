/** Compares records of affine integers and block floats with each other and with the naive ones. */

import { expect } from "vitest";
import {
  dequantize,
  type FloatArray,
  type FloatDtype,
  type QuantizedAffine,
  type QuantizedFloat,
  quantize,
} from "../../src/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import { bytesOf, packed } from "./float-vectors.ts";
import { type NaiveRecord, naive } from "./naive.ts";
import type { ScaledOptions } from "./random-tensors.ts";

export const KERNELS = ["wasm", "reference"] as const;

export type ScaledRecord = QuantizedAffine | QuantizedFloat;

export function quantizeScaled(weights: FloatArray, options: ScaledOptions & object): ScaledRecord {
  return quantize(weights, options) as ScaledRecord;
}

/** The zero points of a record; undefined when it has none. */
export function zeroPointsOf(record: ScaledRecord): number[] | undefined {
  const { zeroPoint } = record as Partial<QuantizedAffine>;
  return zeroPoint === undefined ? undefined : [...zeroPoint];
}

/** Every part of a record is what the naive implementation makes. */
export function expectNaive(record: ScaledRecord, expected: NaiveRecord, what: string): void {
  const { codes, scale, zeroPoint, ranges, tensorScale } = expected;
  sameBytes(bytesOf(record.scale), bytesOf(scale), `${what}: scales`);
  expect(zeroPointsOf(record), `${what}: zero points`).toEqual(zeroPoint);
  const nested = "nested" in record ? record.nested : undefined;
  expect(nested === undefined, `${what}: nested`).toBe(ranges === undefined);
  if (nested !== undefined) {
    expect(nested.blockSize).toBe(256);
    sameBytes(bytesOf(nested.ranges), bytesOf(ranges as Float32Array), `${what}: ranges`);
  }
  expect("tensorScale" in record ? record.tensorScale : undefined).toBe(tensorScale);
  const is4Bit = record.codes.length !== codes.length || /4$/.test(record.quantType);
  sameBytes(bytesOf(record.codes), is4Bit ? packed(codes) : codes, `${what}: codes`);
}

/** Both kernel sets make the naive record of these weights, and restore what it restores. */
export function expectSame(
  weights: FloatArray,
  values: Float32Array,
  dtype: FloatDtype,
  options: ScaledOptions,
): NaiveRecord {
  const expected = naive(values, options);
  for (const kernels of KERNELS) {
    const record = quantizeScaled(weights, { ...options, dtype, kernels });
    expectNaive(record, expected, kernels);
    const restored = dequantize(record, { kernels });
    sameBytes(bytesOf(restored), bytesOf(expected.restored), `${kernels}: weights`);
  }
  return expected;
}
