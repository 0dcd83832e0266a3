/** Which kernels the public functions run on, and that they really do. */

import { describe, expect, it, vi } from "vitest";
import { ArgumentError, kernelReport, quantize } from "../../src/index.ts";
import { shape, TYPES, weights } from "./types.ts";

describe("kernels", () => {
  it("are WASM here, and the report says so", () => {
    expect(kernelReport("wasm")).toEqual({ name: "wasm", reason: "asked for" });
    expect(kernelReport("reference")).toEqual({ name: "reference", reason: "asked for" });
    expect(kernelReport()).toEqual({ name: "wasm", reason: "WebAssembly SIMD runs here" });
    expect(() => kernelReport("gpu" as "auto")).toThrow(ArgumentError);
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
      fresh.kernelReport();
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
      expect(fresh.kernelReport()).toMatchObject({ name: "reference" });
      expect(fresh.kernelReport().reason).toMatch(/WebAssembly SIMD does not run here/);
      expect(() => fresh.kernelReport("wasm")).toThrow(
        expect.objectContaining({ code: "UNSUPPORTED" }),
      );
      expect(fresh.quantize(weights).codes).toEqual(quantize(weights).codes);
    } finally {
      vi.unstubAllGlobals();
      vi.resetModules();
    }
  });
});
