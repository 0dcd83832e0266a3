import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { quantize } from "../../src/index.ts";
import {
  LINEAR_ABI_VERSION,
  LINEAR_EXPORT_NAMES,
  type LinearExports,
} from "../../src/kernels/wasm/linear/exports.ts";
import { linearModule } from "../../src/kernels/wasm/linear/linear-module.ts";
import { acceptsRelaxedSimd } from "../../src/kernels/wasm/relaxed-simd.ts";
import { linear, prepareLinear } from "../../src/linear/index.ts";
import { bitsOf, normals } from "../linear/data.ts";

const root = new URL("../../", import.meta.url);
const compile = (path: string) => new WebAssembly.Module(readFileSync(new URL(path, root)));

/** Node 20 refuses relaxed SIMD; test/runtimes runs this file with Node 26, too. */
const RELAXED = acceptsRelaxedSimd() ? ["build/linear-relaxed.wasm"] : [];
const BUILDS = ["build/linear.wasm", "build/linear.debug.wasm", ...RELAXED];

describe.each(BUILDS)("%s", (path) => {
  const module = compile(path);

  it("exports exactly what exports.ts describes", () => {
    const exported = WebAssembly.Module.exports(module);
    const functions = exported.filter(({ kind }) => kind === "function").map(({ name }) => name);
    expect(functions.sort()).toEqual([...LINEAR_EXPORT_NAMES].sort());
    expect(exported.length).toBe(functions.length);
  });

  it("leaves the tables' place alone, and has the ABI that exports.ts describes", () => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { exports } = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
    const { abiVersion, heapBase } = exports as unknown as LinearExports;
    expect(abiVersion()).toBe(LINEAR_ABI_VERSION);
    expect(heapBase()).toBeGreaterThanOrEqual(4096);
    expect(new Uint8Array(memory.buffer, 1024, 3072).every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    { quantType: "nf4" },
    { quantType: "uint4" },
    { quantType: "uint8" },
    { quantType: "llm-int8", outlierColumns: [1, 7] },
  ] as const)("computes as the reference: $quantType", (options) => {
    const record = quantize(normals(13 * 192, 1), { ...options, shape: [13, 192] } as never);
    const weights = prepareLinear(record, { module });
    expect(weights.kernels.name).toBe("wasm");
    for (const batch of [1, 5]) {
      const x = normals(batch * 192, batch);
      for (const activations of ["float", "int8"] as const) {
        const expected = linear(x, record, { activations, kernels: "reference" });
        expect(bitsOf(linear(x, weights, { activations }))).toEqual(bitsOf(expected));
      }
    }
    weights.dispose();
  });
});

describe("the release build", () => {
  it("imports nothing but its memory", () => {
    expect(WebAssembly.Module.imports(compile("build/linear.wasm"))).toEqual([
      { module: "env", name: "memory", kind: "memory" },
    ]);
  });

  it("is the module that is embedded, compiled once", () => {
    const names = (module: WebAssembly.Module) =>
      WebAssembly.Module.exports(module).map(({ name }) => name);
    expect(names(linearModule("baseline"))).toEqual(names(compile("build/linear.wasm")));
    expect(linearModule("baseline")).toBe(linearModule("baseline"));
  });

  it("stays small", () => {
    expect(readFileSync(new URL("build/linear.wasm", root)).byteLength).toBeLessThan(12_000);
  });
});

describe("another module", () => {
  it("is refused by name, and passed over by auto", () => {
    const module = compile("build/kernels.wasm");
    const record = quantize(normals(64, 1), { shape: [1, 64] });
    const call = () => prepareLinear(record, { module, kernels: "wasm" });
    expect(call).toThrow(/expected a linear\.wasm with ABI 1, received one without dotCode4/);
    const weights = prepareLinear(record, { module });
    expect(weights.kernels.name).toBe("reference");
    expect(weights.kernels.reason).toContain("expected a linear.wasm");
    weights.dispose();
  });
});

describe("assembly/linear/README.md", () => {
  const readme = readFileSync(new URL("assembly/linear/README.md", root), "utf8");

  it("has a row for every kernel, and none else, and the ABI version", () => {
    const rows = [...readme.matchAll(/^\| `(\w+)` *\|/gm)].map(([, name]) => name);
    const kernels = LINEAR_EXPORT_NAMES.filter(
      (name) => !["abiVersion", "heapBase", "isRelaxed"].includes(name),
    );
    expect(rows.sort()).toEqual([...kernels].sort());
    expect(readme).toContain(`ABI version: ${LINEAR_ABI_VERSION}`);
  });
});
