/** The WASM kernels against the reference: equal bytes, whatever the input. */

import { beforeAll, describe, expect, it } from "vitest";
import { FLOAT_DTYPES, type FloatDtype, floatBytes } from "../../src/foundation/dtype.ts";
import type { KernelSet } from "../../src/kernels/kernel-set.ts";
import { createReferenceKernelSet } from "../../src/kernels/reference/reference-kernel-set.ts";
import type { Codebook, QuantMode } from "../../src/schemes/codebook.ts";
import { Harness, sameBytes } from "./calls.ts";
import {
  CODEBOOKS4,
  CODEBOOKS8,
  encode,
  FAMILIES,
  family,
  MODES,
  normal,
  seeded,
  thresholdsOf,
  ulps,
} from "./cases.ts";

const CAPACITY = 1 << 15;

export function describeEquivalence(name: string, create: () => KernelSet): void {
  describe(`${name} and the reference agree`, () => {
    let tested: Harness;
    let oracle: Harness;
    beforeAll(() => {
      tested = new Harness(create(), CAPACITY);
      oracle = new Harness(createReferenceKernelSet(), CAPACITY);
    });

    /** Quantizes, then dequantizes to every dtype; all bytes equal. */
    function compare(
      codebook: Codebook,
      mode: QuantMode,
      dtype: FloatDtype,
      bytes: Uint8Array,
      blockSize: number,
      outputs: readonly FloatDtype[] = FLOAT_DTYPES,
    ): void {
      const count = bytes.byteLength / floatBytes(dtype);
      const what = `${codebook.name} ${mode} ${dtype} ${count} by ${blockSize}`;
      const expected = oracle.quantize(codebook, mode, dtype, bytes, blockSize);
      const actual = tested.quantize(codebook, mode, dtype, bytes, blockSize);
      sameBytes(actual.absmax, expected.absmax, `${what}: absmax`);
      sameBytes(actual.codes, expected.codes, `${what}: codes`);
      if (actual.nonFinite !== expected.nonFinite) {
        expect.fail(`${what}: non-finite ${actual.nonFinite}, not ${expected.nonFinite}`);
      }
      for (const output of outputs) {
        const call = [codebook, output, expected.codes, expected.absmax, count, blockSize] as const;
        sameBytes(
          tested.dequantize(...call),
          oracle.dequantize(...call),
          `${what}: dequantized to ${output}`,
        );
      }
    }

    describe.each(CODEBOOKS4)("4 bits, $name", (codebook) => {
      it("at every length up to 300", () => {
        for (let count = 0; count <= 300; count++) {
          const values = family(count % 2 === 0 ? "normal" : "mostlyZero", count, count);
          for (const mode of MODES) {
            for (const dtype of FLOAT_DTYPES) {
              compare(codebook, mode, dtype, encode(dtype, values), 64, [dtype]);
            }
          }
        }
      });

      it.each([32, 64, 128, 256, 512, 1024, 2048, 4096])("around multiples of block %i", (size) => {
        for (const blocks of [1, 3]) {
          for (const extra of [-1, 0, 1, 7, 33]) {
            const values = family("normal", blocks * size + extra, size + extra);
            for (const mode of MODES) {
              for (const dtype of FLOAT_DTYPES) {
                compare(codebook, mode, dtype, encode(dtype, values), size, [dtype]);
              }
            }
          }
        }
      });

      it.each(Object.keys(FAMILIES))("for %s values", (name) => {
        for (const count of [64 * 9, 64 * 9 + 21]) {
          const values = family(name, count, count);
          for (const mode of MODES) {
            for (const dtype of FLOAT_DTYPES) {
              compare(codebook, mode, dtype, encode(dtype, values), 64);
            }
          }
        }
      });

      it("one block apart from the tile's end, when a block is not finite", () => {
        for (const bad of [NaN, Infinity, -Infinity]) {
          for (const at of [0, 63, 64, 4095, 4096, 8191, 8250]) {
            const values = family("normal", 8255, 5);
            values[at] = bad;
            for (const mode of MODES) {
              for (const dtype of FLOAT_DTYPES) {
                compare(codebook, mode, dtype, encode(dtype, values), 64, [dtype]);
              }
            }
          }
        }
      });

      it.each(MODES)("within 4 ulp of every threshold, at every exponent of absmax: %s", (mode) => {
        const next = seeded(42);
        for (let exponent = -125; exponent <= 126; exponent++) {
          for (const mantissa of [1, 2 - 2 ** -23, 1 + next(), 1 + next()]) {
            const absmax = Math.fround(Math.min(mantissa * 2 ** exponent, 3.4e38));
            const values = nearThresholds(codebook, absmax);
            compare(codebook, mode, "float32", encode("float32", values), 64, []);
            if (mantissa !== 1) continue;
            compare(codebook, mode, "bfloat16", nearHalves("bfloat16", values), 64, []);
            compare(codebook, mode, "float16", nearHalves("float16", values), 64, []);
          }
        }
      });

      it("for a million random values and scales", () => {
        const next = seeded(7);
        for (let round = 0; round < 32; round++) {
          const values = new Float32Array(CAPACITY);
          for (let i = 0; i < values.length; i++) {
            values[i] = normal(next) * 2 ** (((i >> 6) % 40) - 20);
          }
          const dtype = FLOAT_DTYPES[round % 3] as FloatDtype;
          compare(codebook, MODES[round % 2] as QuantMode, dtype, encode(dtype, values), 64, []);
        }
      });
    });

    describe.each(CODEBOOKS8)("8 bits, $name", (codebook) => {
      it.each([1, 3, 8, 64, 100, 256, 1000, 4096, 5000, 9000])("in blocks of %i", (size) => {
        for (const count of [0, 1, 7, size - 1, size, size + 1, 2 * size + 5]) {
          const values = family("normal", count, size + count);
          for (const mode of MODES) {
            for (const dtype of FLOAT_DTYPES) {
              compare(codebook, mode, dtype, encode(dtype, values), size, [dtype]);
            }
          }
        }
      });

      it.each(Object.keys(FAMILIES))("for %s values", (name) => {
        for (const size of [64, 5000]) {
          const values = family(name, 5021, size);
          for (const mode of MODES) {
            for (const dtype of FLOAT_DTYPES) {
              compare(codebook, mode, dtype, encode(dtype, values), size, [dtype]);
            }
          }
        }
      });

      it.each(MODES)("within 4 ulp of every threshold: %s", (mode) => {
        const next = seeded(43);
        for (const exponent of [-125, -100, -20, -7, 0, 1, 16, 100, 126]) {
          for (const mantissa of [1, 2 - 2 ** -23, 1 + next()]) {
            const values = nearThresholds(codebook, Math.fround(mantissa * 2 ** exponent));
            compare(codebook, mode, "float32", encode("float32", values), 256, []);
          }
        }
      });
    });

    describe("LLM.int8 rows", () => {
      const shapes = [
        [0, 5],
        [3, 0],
        [1, 1],
        [5, 3],
        [7, 129],
        [300, 17],
        [2, 4096],
        [2, 4097],
        [2, 9001],
      ] as const;

      it.each(shapes)("of %i × %i", (rows, columns) => {
        for (const name of Object.keys(FAMILIES)) {
          for (const dtype of FLOAT_DTYPES) {
            const bytes = encode(dtype, family(name, rows * columns, rows));
            const expected = oracle.quantizeRows(dtype, bytes, rows, columns);
            const actual = tested.quantizeRows(dtype, bytes, rows, columns);
            sameBytes(actual.absmax, expected.absmax, `${name} ${dtype}: SCB`);
            sameBytes(actual.codes, expected.codes, `${name} ${dtype}: codes`);
            expect(actual.nonFinite).toBe(expected.nonFinite);
            const call = [dtype, expected.codes, expected.absmax, rows, columns] as const;
            sameBytes(tested.dequantizeRows(...call), oracle.dequantizeRows(...call), name);
          }
        }
      });

      it("on exact halves", () => {
        const values = Float32Array.from({ length: 512 }, (_, i) => (i - 254) / 2);
        values.fill(127, 509);
        const bytes = encode("float16", values);
        const expected = oracle.quantizeRows("float16", bytes, 1, 512);
        sameBytes(tested.quantizeRows("float16", bytes, 1, 512).codes, expected.codes, "codes");
      });
    });

    describe("absmax", () => {
      it.each(FLOAT_DTYPES)("of %s", (dtype) => {
        for (const name of Object.keys(FAMILIES)) {
          for (const size of [1, 5, 32, 33, 64, 100, 4096]) {
            const bytes = encode(dtype, family(name, 1000, size));
            sameBytes(
              tested.absmax(dtype, bytes, size),
              oracle.absmax(dtype, bytes, size),
              `${name} by ${size}`,
            );
          }
        }
      });
    });

    describe("conversion", () => {
      const pairs = FLOAT_DTYPES.flatMap((from) => FLOAT_DTYPES.map((to) => [from, to] as const));
      const compareConversion = (from: FloatDtype, to: FloatDtype, bytes: Uint8Array) => {
        sameBytes(tested.convert(from, to, bytes), oracle.convert(from, to, bytes), "converted");
      };

      it.each(pairs)("%s to %s at every length up to 70, and of random bits", (from, to) => {
        const next = seeded(3);
        for (const count of [...Array(71).keys(), 4095, 4097, CAPACITY]) {
          const bytes = new Uint8Array(count * floatBytes(from)).map(() => next() * 256);
          compareConversion(from, to, bytes);
        }
      });

      it.each(pairs.filter(([from]) => from !== "float32"))("every %s to %s", (from, to) => {
        for (let high = 0; high < 65536; high += CAPACITY) {
          const halves = Uint16Array.from({ length: CAPACITY }, (_, i) => high + i);
          compareConversion(from, to, new Uint8Array(halves.buffer));
        }
      });

      it.each(["float16", "bfloat16"] as const)("f32 around every tie of %s", (to) => {
        for (let high = 0; high < 65536; high += 4096) {
          const halves = Uint16Array.from({ length: 4096 }, (_, i) => high + i);
          const exact = oracle.convert(to, "float32", new Uint8Array(halves.buffer));
          const step = to === "float16" ? 0x1000 : 0x8000;
          const words = new Uint32Array(exact.buffer);
          const around = [step - 1, step, step + 1].flatMap((add) =>
            [...words].map((w) => w + add),
          );
          compareConversion("float32", to, new Uint8Array(Uint32Array.from(around).buffer));
        }
      });
    });
  });
}

/** Blocks that start with ±absmax and go on with threshold · absmax ± 0 … 4 ulp, clipped to it. */
function nearThresholds(codebook: Codebook, absmax: number): Float32Array {
  const values: number[] = [];
  for (const threshold of thresholdsOf(codebook)) {
    for (let step = -4; step <= 4; step++) {
      if (values.length % 32 === 0) values.push(values.length % 64 === 0 ? absmax : -absmax);
      const value = ulps(Math.fround(threshold * absmax), step);
      values.push(Math.min(Math.max(value, -absmax), absmax));
    }
  }
  return Float32Array.from(values);
}

/** `values` in a 16-bit dtype, then all of their neighbours by ±1 in the bits. */
function nearHalves(dtype: FloatDtype, values: Float32Array): Uint8Array {
  const middle = new Uint16Array(encode(dtype, values).buffer);
  const near = [-1, 0, 1].flatMap((step) => [...middle].map((bits) => (bits + step) & 0xffff));
  return new Uint8Array(Uint16Array.from(near).buffer);
}
