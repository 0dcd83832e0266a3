/** The embedding kernels of WASM (both builds) against the reference: equal bytes, and no others. */

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { KernelSet } from "../../src/kernels/kernel-set.ts";
import { createReferenceKernelSet } from "../../src/kernels/reference/reference-kernel-set.ts";
import { createKernelSet } from "../../src/kernels/select.ts";
import { Slot, sameBytes } from "./calls.ts";
import { encode, FAMILIES, family, seeded, ulps } from "./cases.ts";

const CAPACITY = 1 << 15;
const SHAPES = [
  ...Array.from({ length: 70 }, (_, columns) => [3, columns] as const),
  ...[0, 1, 2, 5].flatMap((rows) => [1, 15, 16, 17, 384, 389].map((c) => [rows, c] as const)),
  [2, 4099],
  [257, 96],
] as const;

/** One kernel set, with canaries around all that it writes. */
class Harness {
  private readonly kernels: KernelSet;
  private readonly slots: readonly Slot[];

  constructor(kernels: KernelSet) {
    this.kernels = kernels;
    this.slots = Array.from({ length: 4 }, () => new Slot(kernels, CAPACITY * 4));
  }

  private slot(index: number): Slot {
    return this.slots[index] as Slot;
  }

  extremes(values: Uint8Array, min: Uint8Array, max: Uint8Array, rows: number, columns: number) {
    const finite = this.kernels.columnExtremes(
      this.slot(0).write(values),
      this.slot(1).write(min),
      this.slot(2).write(max),
      rows,
      columns,
    );
    return { finite, min: this.slot(1).read(4 * columns), max: this.slot(2).read(4 * columns) };
  }

  quantize(
    signed: boolean,
    values: Uint8Array,
    starts: Uint8Array,
    steps: Uint8Array,
    rows: number,
    columns: number,
  ) {
    const finite = this.kernels.quantizeColumns(
      signed,
      this.slot(0).write(values),
      this.slot(1).write(starts),
      this.slot(2).write(steps),
      this.slot(3).clear(),
      rows,
      columns,
    );
    return { finite, codes: this.slot(3).read(rows * columns) };
  }

  dequantize(
    signed: boolean,
    codes: Uint8Array,
    starts: Uint8Array,
    steps: Uint8Array,
    rows: number,
    columns: number,
  ): Uint8Array {
    this.kernels.dequantizeColumns(
      signed,
      this.slot(0).write(codes),
      this.slot(1).write(starts),
      this.slot(2).write(steps),
      this.slot(3).clear(),
      rows,
      columns,
    );
    return this.slot(3).read(4 * rows * columns);
  }

  packSigns(signed: boolean, values: Uint8Array, rows: number, columns: number) {
    const places = [this.slot(0).write(values), this.slot(1).clear()] as const;
    const finite = this.kernels.packSigns(signed, ...places, rows, columns);
    return { finite, codes: this.slot(1).read(rows * Math.ceil(columns / 8)) };
  }

  hamming(query: Uint8Array, codes: Uint8Array, rows: number, bytes: number): Uint8Array {
    const places = [this.slot(0).write(query), this.slot(1).write(codes)] as const;
    this.kernels.hammingDistances(...places, this.slot(2).clear(), rows, bytes);
    return this.slot(2).read(4 * rows);
  }

  dot(
    signed: boolean,
    weights: Uint8Array,
    codes: Uint8Array,
    rows: number,
    columns: number,
  ): Uint8Array {
    const places = [this.slot(0).write(weights), this.slot(1).write(codes)] as const;
    this.kernels.dotCodes(signed, ...places, this.slot(2).clear(), rows, columns);
    return this.slot(2).read(4 * rows);
  }
}

const floats = (values: ArrayLike<number>) => encode("float32", Float32Array.from(values));
const debugModule = new WebAssembly.Module(
  readFileSync(new URL("../../build/kernels.debug.wasm", import.meta.url)),
);

describe.each([
  ["wasm", () => createKernelSet("wasm").kernels],
  ["wasm (debug)", () => createKernelSet("wasm", { module: debugModule }).kernels],
] as const)("embeddings: %s and the reference agree", (_, create) => {
  let tested: Harness;
  let oracle: Harness;
  beforeAll(() => {
    tested = new Harness(create());
    oracle = new Harness(createReferenceKernelSet());
  });

  const families = Object.keys(FAMILIES);

  function compare(values: Float32Array, rows: number, columns: number, what: string): void {
    const bytes = encode("float32", values);
    const next = seeded(rows + columns);
    const low = floats(new Array(columns).fill(Infinity));
    const high = floats(new Array(columns).fill(-Infinity));
    const range = oracle.extremes(bytes, low, high, rows, columns);
    const actualRange = tested.extremes(bytes, low, high, rows, columns);
    sameBytes(actualRange.min, range.min, `${what}: min`);
    sameBytes(actualRange.max, range.max, `${what}: max`);
    expect(actualRange.finite).toBe(range.finite);

    const starts = floats(family("normal", columns, columns));
    const steps = floats(Array.from({ length: columns }, () => 2 ** Math.floor(next() * 40 - 30)));
    for (const signed of [true, false]) {
      const expected = oracle.quantize(signed, bytes, starts, steps, rows, columns);
      const actual = tested.quantize(signed, bytes, starts, steps, rows, columns);
      sameBytes(actual.codes, expected.codes, `${what}: codes`);
      expect(actual.finite).toBe(expected.finite);
      const call = [signed, expected.codes, starts, steps, rows, columns] as const;
      sameBytes(tested.dequantize(...call), oracle.dequantize(...call), `${what}: dequantized`);

      const bits = oracle.packSigns(signed, bytes, rows, columns);
      const packed = tested.packSigns(signed, bytes, rows, columns);
      sameBytes(packed.codes, bits.codes, `${what}: signs`);
      expect(packed.finite).toBe(bits.finite);

      const weights = floats(family("normal", columns, 3));
      const dot = [signed, weights, expected.codes, rows, columns] as const;
      sameBytes(tested.dot(...dot), oracle.dot(...dot), `${what}: dots`);
    }
    const query = randomBytes(columns, next);
    const codes = randomBytes(rows * columns, next);
    const hamming = [query, codes, rows, columns] as const;
    sameBytes(tested.hamming(...hamming), oracle.hamming(...hamming), `${what}: distances`);
  }

  it("at every shape", () => {
    for (const [rows, columns] of SHAPES) {
      compare(family("normal", rows * columns, columns), rows, columns, `${rows} × ${columns}`);
    }
  });

  it.each(families)("for %s values", (name) => {
    for (const columns of [1, 13, 16, 40]) {
      compare(family(name, 31 * columns, columns), 31, columns, `${name}, ${columns} columns`);
    }
  });

  it("on which values are finite, wherever the one is that is not", () => {
    for (const bad of [NaN, -NaN, Infinity, -Infinity]) {
      for (const columns of [7, 16, 37]) {
        for (let at = 0; at < 3 * columns; at++) {
          const values = family("normal", 3 * columns, at);
          values[at] = bad;
          compare(values, 3, columns, `${bad} at ${at} of ${columns}`);
          const codes = tested.packSigns(false, floats(values), 3, columns);
          expect(codes.finite).toBe(false);
        }
      }
    }
  });

  it("within 4 ulp of every code's border, in random ranges", () => {
    const next = seeded(77);
    for (let round = 0; round < 60; round++) {
      const start = Math.fround((next() - 0.5) * 2 ** Math.floor(next() * 60 - 30));
      const step = Math.fround(next() * 2 ** Math.floor(next() * 60 - 36)) || 1;
      const values: number[] = [];
      for (let code = -2; code < 259; code++) {
        const border = Math.fround(start + code * step);
        for (let steps = -4; steps <= 4; steps++) values.push(ulps(border, steps));
      }
      const rows = Math.floor(values.length / 29);
      const bytes = floats(values.slice(0, rows * 29));
      const starts = floats(new Array(29).fill(start));
      const steps = floats(new Array(29).fill(step));
      const expected = oracle.quantize(false, bytes, starts, steps, rows, 29);
      const actual = tested.quantize(false, bytes, starts, steps, rows, 29);
      sameBytes(actual.codes, expected.codes, `start ${start}, step ${step}`);
    }
  });

  it("for random bits as values, starts, steps and weights", () => {
    const next = seeded(5);
    const random = (count: number) => new Uint8Array(4 * count).map(() => next() * 256);
    for (let round = 0; round < 200; round++) {
      const [rows, columns] = [7, 45];
      const values = random(rows * columns);
      const call = [false, values, random(columns), random(columns), rows, columns] as const;
      sameBytes(tested.quantize(...call).codes, oracle.quantize(...call).codes, "codes");
      const signs = tested.packSigns(true, values, rows, columns);
      sameBytes(signs.codes, oracle.packSigns(true, values, rows, columns).codes, "signs");
    }
  });

  it("when ranges are widened from earlier ones", () => {
    const values = floats(family("normal", 20 * 21, 1));
    const min = floats(family("normal", 21, 2).map((x) => x - 1));
    const max = floats(family("normal", 21, 3).map((x) => x + 1));
    expect(tested.extremes(values, min, max, 20, 21)).toEqual(
      oracle.extremes(values, min, max, 20, 21),
    );
  });

  it("on codes and queries at addresses that are not aligned", () => {
    const { kernels } = createKernelSet("wasm");
    const ptr = kernels.allocate(256) + 3;
    const out = kernels.allocate(64);
    const bytes = new Uint8Array(kernels.buffer, ptr, 200).map((__, i) => i * 37);
    new Uint8Array(kernels.buffer, ptr, 200).set(bytes);
    kernels.hammingDistances(ptr, ptr, out, 4, 49);
    const expected = oracle.hamming(bytes.slice(0, 49), bytes.slice(0, 196), 4, 49);
    sameBytes(new Uint8Array(kernels.buffer.slice(out, out + 16)), expected, "distances");
  });
});

function randomBytes(count: number, next: () => number): Uint8Array {
  return new Uint8Array(count).map(() => next() * 256);
}
