/** The WASM kernels whose scales lie in runs against the reference: equal bytes. */

import { beforeAll, describe, expect, it } from "vitest";
import type { KernelSet, ScaleRuns } from "../../src/kernels/kernel-set.ts";
import { createReferenceKernelSet } from "../../src/kernels/reference/reference-kernel-set.ts";
import { floatLevels } from "../../src/schemes/float-format.ts";
import { sameBytes } from "./calls.ts";
import { FAMILIES, family, seeded, ulps } from "./cases.ts";
import { RunHarness } from "./run-calls.ts";
import {
  AFFINE_FORMATS,
  FLOAT_FORMATS,
  GEOMETRIES,
  halves,
  lengthsOf,
  mixture,
  SCALES,
  zeroPointsOf,
} from "./run-cases.ts";

const CAPACITY = 4096;
const ONE: ScaleRuns = {
  rowLength: CAPACITY,
  runLength: CAPACITY,
  startColumn: 0,
  firstScale: 0,
  scaleCount: 1,
};

const randomBytes = (count: number, seed: number) => {
  const next = seeded(seed);
  return new Uint8Array(count).map(() => next() * 256);
};

export function describeRuns(name: string, create: () => KernelSet): void {
  describe(`${name} and the reference agree on runs`, () => {
    let tested: RunHarness;
    let oracle: RunHarness;
    beforeAll(() => {
      tested = new RunHarness(create(), CAPACITY);
      oracle = new RunHarness(createReferenceKernelSet(), CAPACITY);
    });

    function same(what: string, call: (harness: RunHarness) => Uint8Array): Uint8Array {
      const expected = call(oracle);
      sameBytes(call(tested), expected, what);
      return expected;
    }

    function compareRange(what: string, values: Float32Array, runs: ScaleRuns): void {
      const min = family("normal", runs.scaleCount, 1).map((x) => Math.min(x, 0) + 0);
      const max = family("normal", runs.scaleCount, 2).map((x) => Math.max(x, 0) + 0);
      const expected = oracle.range(values, min, max, runs);
      const actual = tested.range(values, min, max, runs);
      sameBytes(actual.min, expected.min, `${what}: min`);
      sameBytes(actual.max, expected.max, `${what}: max`);
      expect(actual.finite).toBe(expected.finite);
      expect(expected.finite).toBe(values.every(Number.isFinite));
    }

    function compareAffine(
      what: string,
      values: Float32Array,
      scales: Float32Array,
      runs: ScaleRuns,
    ): void {
      for (const format of AFFINE_FORMATS) {
        const zeroPoints = zeroPointsOf(format, runs.scaleCount, values.length);
        for (const points of [undefined, zeroPoints]) {
          const codes = same(`${what}: ${format.name} codes`, (harness) =>
            harness.quantizeAffine(format, values, scales, points, runs),
          );
          same(`${what}: ${format.name} values`, (harness) =>
            harness.dequantizeAffine(format, codes, scales, points, runs),
          );
        }
      }
    }

    function compareFloat(
      what: string,
      values: Float32Array,
      scales: Float32Array,
      runs: ScaleRuns,
    ): void {
      for (const format of FLOAT_FORMATS) {
        same(`${what}: ${format.name} codes`, (harness) =>
          harness.quantizeFloat(format, values, scales, runs),
        );
        const codes = randomBytes(values.length, 5);
        same(`${what}: ${format.name} values`, (harness) =>
          harness.dequantizeFloat(format, codes, scales, runs),
        );
      }
    }

    describe.each(Object.entries(GEOMETRIES))("%s", (_, geometries) => {
      it.each(Object.keys(SCALES))("with %s scales", (scaleName) => {
        for (const [at, runs] of geometries.entries()) {
          for (const length of lengthsOf(runs)) {
            const scales = SCALES[scaleName]?.(runs.scaleCount, length) as Float32Array;
            for (const [kind, values] of [
              ["normal", family("normal", length, length)],
              ["halves", halves(length, length)],
              ["mixture", mixture(length, length)],
            ] as const) {
              const what = `${kind} ${length}, geometry ${at}`;
              compareRange(what, values, runs);
              compareAffine(what, values, scales, runs);
              compareFloat(what, values, scales, runs);
            }
          }
        }
      });
    });

    it.each(Object.keys(FAMILIES))("for %s values", (familyName) => {
      for (const geometry of ["blocks of 32 with a short last one", "runs of 1 in rows"]) {
        for (const runs of GEOMETRIES[geometry] ?? []) {
          const values = family(familyName, 517, 3);
          for (const make of Object.values(SCALES)) {
            const scales = make(runs.scaleCount, 4);
            compareRange(familyName, values, runs);
            compareAffine(familyName, values, scales, runs);
            compareFloat(familyName, values, scales, runs);
          }
        }
      }
    });

    it.each(AFFINE_FORMATS)("on the parameters of $name", (format) => {
      const next = seeded(6);
      const ends = [0, 1e-45, 1e-40, 2 ** -126, 1e-38, 2 ** -20, 0.1, 1, 3, 1e30, 2e38, 3.4028e38];
      const pairs = ends.flatMap((a) => ends.map((b) => [-a + 0, b] as const));
      for (let i = 0; i < 1000; i++) {
        const power = 2 ** Math.floor(next() * 250 - 130);
        pairs.push([-next() * power, next() * power * 2 ** Math.floor(next() * 12 - 6)]);
      }
      const min = Float32Array.from(pairs, ([a]) => a);
      const max = Float32Array.from(pairs, ([, b]) => b);
      for (const symmetric of [false, true]) {
        const expected = oracle.parameters(format, symmetric, min, max);
        const actual = tested.parameters(format, symmetric, min, max);
        for (const [i, bytes] of expected.entries()) {
          sameBytes(actual[i] as Uint8Array, bytes, `${symmetric} ${i}`);
        }
      }
    });

    describe.each(FLOAT_FORMATS)("$name", (format) => {
      it("around every level and midpoint", () => {
        const levels = [...floatLevels(format)].filter(Number.isFinite);
        const places = levels.flatMap((a) => levels.map((b) => (a + b) / 2)).slice(0, 60_000);
        const near = [...new Set(places)].flatMap((x) => [-2, -1, 0, 1, 2].map((s) => ulps(x, s)));
        for (const scale of [1, 0.7, 2 ** -126, 2 ** 100]) {
          for (let at = 0; at < near.length; at += CAPACITY) {
            const values = Float32Array.from(near.slice(at, at + CAPACITY), (x) => x * scale);
            same(`from ${at}`, (harness) =>
              harness.quantizeFloat(format, values, Float32Array.of(scale), ONE),
            );
          }
        }
      });

      it("on f32 of all kinds of bits", () => {
        const words = new Uint32Array(CAPACITY);
        const stride = 0x3ffb1;
        for (let first = 0; first < 2 ** 32; first += stride * CAPACITY) {
          for (let i = 0; i < CAPACITY; i++) words[i] = first + i * stride;
          const values = new Float32Array(words.buffer);
          same(`from bits ${first}`, (harness) =>
            harness.quantizeFloat(format, values, Float32Array.of(1), ONE),
          );
        }
      });

      it("on every code", () => {
        const codes = Uint8Array.from({ length: 256 }, (_, i) => i);
        for (const scale of [1, -1, 0, -0, 1e-40, 3e38, Infinity, -Infinity, NaN]) {
          same(`scale ${scale}`, (harness) =>
            harness.dequantizeFloat(format, codes, Float32Array.of(scale), ONE),
          );
        }
      });
    });

    it("on pairs of nibbles, at every length up to 100", () => {
      for (const count of [...Array(101).keys(), 4095, 4096]) {
        const codes = randomBytes(count, count);
        const packed = same(`${count} packed`, (harness) => harness.packNibbles(codes));
        for (const signed of [false, true]) {
          same(`${count} unpacked`, (harness) => harness.unpackNibbles(packed, count, signed));
        }
      }
    });
  });
}
