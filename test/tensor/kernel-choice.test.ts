/** Which kernels the public functions run on, and that they really do. */

import { describe, expect, it, vi } from "vitest";
import { ArgumentError, kernels, quantize } from "../../src/index.ts";
import { shape, TYPES, weights } from "./types.ts";

describe("kernels", () => {
  it("are WASM here, and the report says so", () => {
    expect(kernels.name).toBe("wasm");
    expect(kernels.simd).toMatch(/^(baseline|relaxed)$/);
    expect(kernels.reason).toMatch(/^WebAssembly SIMD runs here, relaxed/);
    expect(quantize(weights).kernels).toEqual({ ...kernels });
    expect(quantize(weights, { kernels: "wasm" }).kernels).toEqual({ ...kernels });
    expect(quantize(weights, { kernels: "reference" }).kernels).toEqual({
      name: "reference",
      simd: "none",
      reason: "asked for",
    });
    expect(() => quantize(weights, { kernels: "gpu" as "auto" })).toThrow(ArgumentError);
  });

  it("are really WASM: every call reaches its exports, and none does on the reference", async () => {
    const calls: string[] = [];
    const { Instance } = WebAssembly;
    class CountingInstance {
      readonly exports: WebAssembly.Exports;
      constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
        const counted = Object.entries(new Instance(module, imports).exports).map(
          ([name, value]) => [name, typeof value === "function" ? counting(name, value) : value],
        );
        this.exports = Object.fromEntries(counted);
      }
    }
    const counting = (name: string, run: CallableFunction) =>
      function counted(...args: unknown[]) {
        calls.push(name);
        return run(...args);
      };
    vi.resetModules();
    WebAssembly.Instance = CountingInstance as typeof Instance;
    try {
      const fresh = await import("../../src/index.ts");
      expect(fresh.kernels.name).toBe("wasm");
      for (const [name, options] of TYPES) {
        calls.length = 0;
        const made = fresh.quantize(weights, { shape, ...options });
        expect(`${name} ${made.kernels.name}`).toBe(`${name} wasm`);
        expect(calls.some((call) => /^quantize/.test(call))).toBe(true);
        calls.length = 0;
        fresh.dequantize(made);
        expect(calls.some((call) => /^dequantize/.test(call))).toBe(true);
        calls.length = 0;
        fresh.dequantize(fresh.quantize(weights, { shape, ...options, kernels: "reference" }), {
          kernels: "reference",
        });
        expect(calls).toEqual([]);
      }
    } finally {
      WebAssembly.Instance = Instance;
      vi.resetModules();
    }
  });

  it("fall back to the reference where there is no WebAssembly, and say why", async () => {
    vi.resetModules();
    vi.stubGlobal("WebAssembly", undefined);
    try {
      const fresh = await import("../../src/index.ts");
      expect(fresh.kernels).toMatchObject({ name: "reference", simd: "none" });
      expect(fresh.kernels.reason).toMatch(/WebAssembly SIMD does not run here/);
      expect(() => fresh.quantize(weights, { kernels: "wasm" })).toThrow(
        expect.objectContaining({ code: "UNSUPPORTED" }),
      );
      expect(fresh.quantize(weights).codes).toEqual(quantize(weights).codes);
    } finally {
      vi.unstubAllGlobals();
      vi.resetModules();
    }
  });
});
