import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ArgumentError, UnsupportedError } from "../../src/foundation/errors.ts";
import { createKernelSet } from "../../src/kernels/select.ts";
import { NF4 } from "../../src/schemes/nf4.ts";

const wasmBytes = readFileSync(new URL("../../build/kernels.wasm", import.meta.url));

describe("createKernelSet", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it("takes WASM where it runs, and says so", () => {
    const { kernels, report } = createKernelSet();
    expect(kernels.name).toBe("wasm");
    expect(report).toEqual({ name: "wasm", reason: "WebAssembly SIMD runs here" });
  });

  it("takes the reference when asked", () => {
    const { kernels, report } = createKernelSet("reference");
    expect(kernels.name).toBe("reference");
    expect(report).toEqual({ name: "reference", reason: "asked for" });
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

  it("runs a module that the caller compiled", () => {
    const module = new WebAssembly.Module(wasmBytes);
    expect(createKernelSet("wasm", { module }).report.name).toBe("wasm");
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
