import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ArgumentError, UnsupportedError } from "../../src/foundation/errors.ts";
import type { SimdBuild } from "../../src/kernels/kernel-set.ts";
import { createKernelSet } from "../../src/kernels/select.ts";
import { acceptsRelaxedSimd } from "../../src/kernels/wasm/relaxed-simd.ts";
import { NF4 } from "../../src/schemes/nf4.ts";
import { withoutSwizzle } from "./broken-modules.ts";

const wasmBytes = readFileSync(new URL("../../build/kernels.wasm", import.meta.url));
const CHOSEN = acceptsRelaxedSimd()
  ? {
      name: "wasm",
      simd: "relaxed",
      reason: "WebAssembly SIMD runs here, relaxed: validated and self-tested",
    }
  : {
      name: "wasm",
      simd: "baseline",
      reason: "WebAssembly SIMD runs here, relaxed SIMD does not: this engine rejects it",
    };

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("createKernelSet", () => {
  it.each(["auto", "wasm"] as const)("takes WASM where it runs, and says so: %s", (choice) => {
    const { kernels, report } = createKernelSet(choice);
    expect([kernels.name, kernels.simd]).toEqual([CHOSEN.name, CHOSEN.simd]);
    expect(report).toEqual(CHOSEN);
  });

  it("takes the reference when asked", () => {
    const { kernels, report } = createKernelSet("reference");
    expect(kernels.name).toBe("reference");
    expect(report).toEqual({ name: "reference", simd: "none", reason: "asked for" });
  });

  it("falls back to the reference without WebAssembly, and says why", () => {
    vi.stubGlobal("WebAssembly", undefined);
    const { kernels, report } = createKernelSet();
    expect(kernels.name).toBe("reference");
    expect(report.reason).toMatch(/^WebAssembly SIMD does not run here: /);
  });

  it("does not fall back when WASM was asked for by name", () => {
    vi.stubGlobal("WebAssembly", undefined);
    expect(() => createKernelSet("wasm")).toThrow(UnsupportedError);
  });

  it("runs a module that the caller compiled, and knows its build", () => {
    const module = new WebAssembly.Module(wasmBytes);
    expect(createKernelSet("wasm", { module }).report).toEqual({
      name: "wasm",
      simd: "baseline",
      reason: "WebAssembly SIMD runs here, in the module that was given",
    });
  });

  it("runs a module of another realm, which is no instance of ours", () => {
    const module = runInNewContext("new WebAssembly.Module(bytes)", { bytes: wasmBytes });
    expect(module instanceof WebAssembly.Module).toBe(false);
    expect(createKernelSet("wasm", { module }).report.name).toBe("wasm");
  });

  it("refuses a module that is not ours", () => {
    const module = new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    expect(() => createKernelSet("wasm", { module })).toThrow(/one without abiVersion/);
  });

  it("gives each set its own memory", () => {
    const first = createKernelSet("wasm").kernels;
    const second = createKernelSet("wasm").kernels;
    expect(first.buffer).not.toBe(second.buffer);
  });

  it.each(["wasm", "reference"] as const)("allocates aligned memory that grows: %s", (choice) => {
    const { kernels } = createKernelSet(choice);
    const small = kernels.allocate(5);
    new Uint8Array(kernels.buffer)[small] = 7;
    const large = kernels.allocate(10_000_001);
    const next = kernels.allocate(1);
    expect([small, large, next].map((ptr) => ptr % 16)).toEqual([0, 0, 0]);
    expect(large).toBeGreaterThanOrEqual(small + 5);
    expect(next).toBeGreaterThanOrEqual(large + 10_000_001);
    expect(kernels.buffer.byteLength).toBeGreaterThan(next);
    expect(new Uint8Array(kernels.buffer)[small]).toBe(7);
  });

  it.each([0, 16, 48, 8192])("refuses 4-bit blocks of %i", (blockSize) => {
    const { kernels } = createKernelSet("wasm");
    const call = () => kernels.quantize4(NF4, "torch", "float32", 16, 16, 16, 0, blockSize);
    expect(call).toThrow(ArgumentError);
  });
});

describe("of two builds", () => {
  const baseline = new WebAssembly.Module(wasmBytes);
  const broken = new WebAssembly.Module(withoutSwizzle(wasmBytes, 0));
  const taken: SimdBuild[] = [];
  const moduleOf = (modules: Record<SimdBuild, WebAssembly.Module>) => (simd: SimdBuild) => {
    taken.push(simd);
    return modules[simd];
  };
  /** Of an engine that takes relaxed SIMD, whatever this one does. */
  const reportOf = (modules: Record<SimdBuild, WebAssembly.Module>, accepts = true) => {
    vi.spyOn(WebAssembly, "validate").mockReturnValue(accepts);
    taken.length = 0;
    return createKernelSet("auto", { moduleOf: moduleOf(modules) }).report;
  };

  it("the relaxed one runs where the engine takes it and it computes what it must", () => {
    // Its own opcodes may not run here: the suite of all runtimes has them.
    const report = reportOf({ relaxed: baseline, baseline: broken });
    expect(report.reason).toBe("WebAssembly SIMD runs here, relaxed: validated and self-tested");
    expect(taken).toEqual(["relaxed"]);
  });

  it("the relaxed one is not even looked at where the engine does not take it", () => {
    const report = reportOf({ relaxed: broken, baseline }, false);
    expect(report.reason).toMatch(/relaxed SIMD does not: this engine rejects it$/);
    expect(taken).toEqual(["baseline"]);
  });

  it("the baseline runs, and says so, where the relaxed one computes something else", () => {
    expect(reportOf({ relaxed: broken, baseline })).toEqual({
      name: "wasm",
      simd: "baseline",
      reason:
        "WebAssembly SIMD runs here, relaxed SIMD does not: " +
        "the self-test of NF4 gave another answer than the reference",
    });
    expect(taken).toEqual(["relaxed", "baseline"]);
  });

  it("none runs where both compute something else", () => {
    const report = reportOf({ relaxed: broken, baseline: broken });
    expect([report.name, report.simd]).toEqual(["reference", "none"]);
    expect(report.reason).toMatch(/^WebAssembly SIMD does not run here: the self-test of /);
    expect(() => createKernelSet("wasm", { module: broken })).toThrow(UnsupportedError);
  });
});
