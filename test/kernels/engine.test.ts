/** `quantwise/kernels` as an engine uses it. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { quantize } from "../../src/index.ts";
import { createKernelSet } from "../../src/kernels/index.ts";
import { NF4 } from "../../src/schemes/nf4.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";
import { engineMemory } from "./engine-memory.ts";

const COUNT = 4096;
const weights = normalFloats(COUNT, 3);

describe("kernels in an engine's memory", () => {
  it("quantize weights where they are, and touch nothing else", () => {
    const host = engineMemory();
    const { kernels, report } = createKernelSet("wasm", { host });
    expect(report.name).toBe("wasm");
    expect(kernels.buffer).toBe(host.memory.buffer);
    const values = host.allocate(4 * COUNT);
    const codes = host.allocate(COUNT / 2);
    const absmax = host.allocate((4 * COUNT) / 64);
    new Float32Array(host.memory.buffer, values, COUNT).set(weights);
    const bad = kernels.quantize4(NF4, "torch", "float32", values, codes, absmax, COUNT, 64);
    expect(bad).toBe(-1);
    const expected = quantize(weights, { doubleQuant: false });
    expect(new Uint8Array(kernels.buffer, codes, COUNT / 2)).toEqual(expected.codes);
    expect(new Float32Array(kernels.buffer, absmax, COUNT / 64)).toEqual(expected.absmax);
    kernels.dequantize4(NF4, "float32", codes, absmax, values, COUNT, 64);
    expect(host.trespasses()).toEqual([]);
  });

  it("keep their constants below byte 1024", () => {
    const module = new WebAssembly.Module(readFileSync("build/kernels.wasm"));
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    expect((exports.heapBase as () => number)()).toBeLessThanOrEqual(512);
    const used = new Uint8Array(memory.buffer).findIndex((byte) => byte !== 0);
    expect(used).toBeGreaterThanOrEqual(64);
  });

  it("go on when the engine grows its memory", () => {
    const host = engineMemory();
    const { kernels } = createKernelSet("wasm", { host });
    host.memory.grow(3);
    const values = kernels.allocate(4 * COUNT);
    expect(kernels.buffer).toBe(host.memory.buffer);
    new Float32Array(kernels.buffer, values, COUNT).set(weights);
    expect(kernels.sum(values, 4, 0)).toBe(weights.slice(0, 4).reduce((sum, x) => sum + x, 0));
  });

  it.each([
    ["unaligned", () => 1032],
    ["among the constants", () => 64],
    ["behind the memory", () => 65_536],
    ["no number", () => NaN],
  ])("refuse a place that is %s", (_, allocate) => {
    const host = { memory: new WebAssembly.Memory({ initial: 1 }), allocate };
    const make = () => createKernelSet("auto", { host });
    expect(make).toThrow(
      /allocate: expected a multiple of 16 from \d+ on, with \d+ bytes of memory behind it/,
    );
  });

  it("are not replaced by the reference, which has no WebAssembly memory", () => {
    const host = engineMemory();
    expect(() => createKernelSet("reference", { host })).toThrow(/host: expected none/);
    const shared = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
    const make = () => createKernelSet("auto", { host: { ...host, memory: shared } });
    expect(make).toThrow(/WebAssembly SIMD does not run here: .*shared/s);
  });
});
