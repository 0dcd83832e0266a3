import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { blockKernels, dequantizeBlocks, quantizeBlocks } from "../../src/ggml/index.ts";
import {
  BLOCK_EXPORT_NAMES,
  BLOCKS_ABI_VERSION,
  type BlockExports,
} from "../../src/kernels/wasm/ggml/exports.ts";
import { ggmlModule } from "../../src/kernels/wasm/ggml/ggml-module.ts";
import { BLOCK_TYPES } from "../../src/schemes/ggml/block-types.ts";
import { weightsOf } from "../ggml/weights.ts";

const root = new URL("../../", import.meta.url);
const compile = (path: string) => new WebAssembly.Module(readFileSync(new URL(path, root)));
const OTHER_MODULES = ["build/kernels.wasm", "build/linear.wasm"];

function exportsOf(module: WebAssembly.Module, memory: WebAssembly.Memory): BlockExports {
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
  return exports as unknown as BlockExports;
}

describe.each(["build/ggml.wasm", "build/ggml.debug.wasm"])("%s", (path) => {
  const module = compile(path);

  it("exports exactly what exports.ts describes", () => {
    const exported = WebAssembly.Module.exports(module);
    const functions = exported.filter(({ kind }) => kind === "function").map(({ name }) => name);
    expect(functions.sort()).toEqual([...BLOCK_EXPORT_NAMES].sort());
    expect(exported.length).toBe(functions.length);
  });

  it("leaves what the other modules use alone", () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { abiVersion, heapBase } = exportsOf(module, memory);
    expect(abiVersion()).toBe(BLOCKS_ABI_VERSION);
    expect(heapBase()).toBeGreaterThanOrEqual(12800);
    expect(new Uint8Array(memory.buffer, 0, 12800).every((byte) => byte === 0)).toBe(true);
    for (const other of OTHER_MODULES) {
      expect(exportsOf(compile(other), memory).heapBase()).toBeLessThanOrEqual(8192);
    }
  });

  it("writes what the reference writes, given as a module", () => {
    const weights = weightsOf("normal", 512, 1);
    for (const type of BLOCK_TYPES) {
      const blocks = quantizeBlocks(weights, { type, module });
      expect(blocks).toEqual(quantizeBlocks(weights, { type, kernels: "reference" }));
      const back = dequantizeBlocks(blocks, { type, module });
      expect(back).toEqual(dequantizeBlocks(blocks, { type, kernels: "reference" }));
    }
    expect(blockKernels({ module }).reason).toContain("in the module that was given");
  });
});

describe("the release build", () => {
  it("imports nothing but its memory", () => {
    expect(WebAssembly.Module.imports(compile("build/ggml.wasm"))).toEqual([
      { module: "env", name: "memory", kind: "memory" },
    ]);
  });

  it("is the module that is embedded, compiled once, and runs here", () => {
    const names = (module: WebAssembly.Module) =>
      WebAssembly.Module.exports(module).map(({ name }) => name);
    expect(names(ggmlModule())).toEqual(names(compile("build/ggml.wasm")));
    expect(ggmlModule()).toBe(ggmlModule());
    expect(blockKernels()).toEqual({
      name: "wasm",
      simd: "baseline",
      reason: "WebAssembly SIMD runs here",
    });
    expect(blockKernels({ kernels: "reference" }).reason).toBe("asked for");
  });

  it("stays small", () => {
    expect(readFileSync(new URL("build/ggml.wasm", root)).byteLength).toBeLessThan(46_000);
  });
});

describe("another module", () => {
  const module = compile("build/kernels.wasm");

  it("is refused by name, and passed over by auto", () => {
    expect(() => blockKernels({ module, kernels: "wasm" })).toThrow(
      /expected a ggml\.wasm with ABI 1, received one without firstNonFinite/,
    );
    expect(blockKernels({ module }).name).toBe("reference");
    expect(blockKernels({ module }).reason).toContain("expected a ggml.wasm");
  });
});

describe("assembly/ggml/README.md", () => {
  const readme = readFileSync(new URL("assembly/ggml/README.md", root), "utf8");

  it("names every type and the checks, and the ABI version", () => {
    for (const type of BLOCK_TYPES) expect(readme).toMatch(new RegExp(`\\b${type}\\b`));
    const rows = [...readme.matchAll(/^\| `(\w+)` *\|/gm)].map(([, name]) => name);
    expect(rows).toEqual(["firstNonFinite", "firstInfinite"]);
    expect(readme).toContain(`ABI version: ${BLOCKS_ABI_VERSION}`);
  });
});
