/** Small floats against ml_dtypes: what each code means, and which code a float becomes. */

import { describe, expect, it } from "vitest";
import { E2M1, E4M3, E5M2, floatLevels } from "../../src/schemes/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import { IMPLEMENTATIONS } from "../kernels/implementations.ts";
import { RunHarness } from "../kernels/run-calls.ts";
import { bytesOf, floatVectors } from "../tensor/float-vectors.ts";

const FORMATS = { e2m1: E2M1, e4m3: E4M3, e5m2: E5M2 };
const vectors = floatVectors("casts");
const SETS = IMPLEMENTATIONS.map(({ name, create }) => ({
  name,
  harness: new RunHarness(create(), 2048),
}));

const ONE = Float32Array.of(1);

/** One scale for everything. */
function wholeRun(count: number) {
  return { rowLength: count, runLength: count, startColumn: 0, firstScale: 0, scaleCount: 1 };
}

/** NaN has many bit patterns and one meaning. */
function canonical(levels: Float32Array): Uint8Array {
  return bytesOf(Float32Array.from(levels, (level) => (Number.isNaN(level) ? NaN : level)));
}

describe.each(["e2m1", "e4m3", "e5m2"] as const)("%s", (name) => {
  const format = FORMATS[name];

  it("means what ml_dtypes means by every code", () => {
    const [golden] = vectors.filter((vector) => vector.format === name && vector.has("levels"));
    const levels = golden?.floats("levels") as Float32Array;
    sameBytes(canonical(floatLevels(format)), canonical(levels), "levels");
    const codes = Uint8Array.from(levels, (_, code) => code);
    for (const set of SETS) {
      const decoded = set.harness.dequantizeFloat(format, codes, ONE, wholeRun(codes.length));
      sameBytes(decoded, canonical(levels), set.name);
    }
  });

  const casts = vectors.filter((vector) => vector.format === name && vector.has("codes"));

  it.each(casts)("is rounded and saturated as by ml_dtypes: $id", (golden) => {
    const input = golden.floats("input");
    for (const set of SETS) {
      const codes = set.harness.quantizeFloat(format, input, ONE, wholeRun(input.length));
      sameBytes(codes, golden.bytes("codes"), set.name);
    }
  });

  it("ascends with its codes, from zero to the largest magnitude", () => {
    const levels = floatLevels(format);
    expect(levels[0]).toBe(0);
    expect(levels[format.largestCode]).toBe(format.largest);
    for (let code = 1; code <= format.largestCode; code++) {
      expect(levels[code]).toBeGreaterThan(levels[code - 1] as number);
    }
    expect(2 ** format.largestExponent).toBeLessThanOrEqual(format.largest);
    expect(2 ** (format.largestExponent + 1)).toBeGreaterThan(format.largest);
  });
});

it("has cases of every kind for every format", () => {
  expect(vectors).toHaveLength(21);
});
