import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KernelSet } from "../../src/kernels/kernel-set.ts";
import { createKernelSet } from "../../src/kernels/select.ts";
import { Slot } from "./calls.ts";

const debug = new WebAssembly.Module(
  readFileSync(new URL("../../build/kernels.debug.wasm", import.meta.url)),
);
const sets: [string, () => KernelSet][] = [
  ["reference", () => createKernelSet("reference").kernels],
  ["wasm", () => createKernelSet("wasm").kernels],
  ["wasm (debug)", () => createKernelSet("wasm", { module: debug }).kernels],
];

function inOrder(values: Iterable<number>, start: number): number {
  let sum = start;
  for (const value of values) sum += value;
  return sum;
}

/** Magnitudes of close exponents, whose sums are exact, and of any, whose sums are not. */
const magnitudes = fc.oneof(
  fc.float({ min: Math.fround(0.01), max: Math.fround(0.5), noNaN: true }),
  fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, 2 ** -149, 2 ** -126, 1, 3.4028234663852886e38),
);
const arrays = fc.oneof(
  fc.array(fc.float({ min: Math.fround(0.01), max: Math.fround(0.5), noNaN: true }), {
    maxLength: 200,
  }),
  fc.array(magnitudes, { maxLength: 200 }),
);

describe.each(sets)("sums of %s", (_, create) => {
  const kernels = create();
  const slot = new Slot(kernels, 4 * 70_000);
  const sumOf = (values: Float32Array, start: number) => {
    const ptr = slot.write(new Uint8Array(values.buffer));
    return kernels.sum(ptr, values.length, start);
  };

  it("are those of one addition after the other", () => {
    fc.assert(
      fc.property(
        arrays,
        fc.oneof(fc.constant(0), fc.double({ min: 0, noNaN: true })),
        (list, start) => {
          const values = Float32Array.from(list);
          expect(sumOf(values, start)).toBe(inOrder(values, start));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("go on over windows, exact and not", () => {
    for (const spread of [2, 12, 40]) {
      let [sum, expected] = [0, 0];
      for (let window = 0; window < 4; window++) {
        const values = Float32Array.from(
          { length: 65_536 + 3 },
          (_, i) => (1 + ((i * 2654435761) % 1000) / 999) * 2 ** -((i * 7919) % spread),
        );
        sum = sumOf(values, sum);
        expected = inOrder(values, expected);
      }
      expect(sum).toBe(expected);
    }
  });

  it("are NaN and infinity where a value is", () => {
    const values = new Float32Array(40).fill(1);
    values[17] = Infinity;
    expect(sumOf(values, 0)).toBe(Infinity);
    values[18] = NaN;
    expect(sumOf(values, 0)).toBeNaN();
  });

  it("differences are rounded once, and nothing else is written", () => {
    fc.assert(
      fc.property(arrays, magnitudes, (list, offset) => {
        const values = Float32Array.from(list);
        kernels.subtract(slot.write(new Uint8Array(values.buffer)), values.length, offset);
        const found = new Float32Array(slot.read(values.byteLength).buffer);
        expect(found).toEqual(values.map((value) => value - offset));
      }),
    );
  });
});
