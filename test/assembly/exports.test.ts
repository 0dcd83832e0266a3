import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { embeddedModule } from "../../src/kernels/wasm/embedded-module.ts";
import { ABI_VERSION, EXPORT_NAMES } from "../../src/kernels/wasm/exports.ts";
import { instantiateKernels } from "../../src/kernels/wasm/instantiate.ts";

const root = new URL("../../", import.meta.url);
const builds = ["build/kernels.wasm", "build/kernels.debug.wasm"];
// Node 20 has no relaxed SIMD: the runtimes' suite runs that build.
const compile = (path: string) => new WebAssembly.Module(readFileSync(new URL(path, root)));

describe.each(builds)("%s", (path) => {
  const module = compile(path);
  const exported = WebAssembly.Module.exports(module);

  it("exports exactly what exports.ts describes", () => {
    const functions = exported.filter(({ kind }) => kind === "function").map(({ name }) => name);
    expect(functions.sort()).toEqual([...EXPORT_NAMES].sort());
    expect(exported.length).toBe(functions.length);
  });

  it("has the ABI that exports.ts describes", () => {
    expect(instantiateKernels(module).exports.abiVersion()).toBe(ABI_VERSION);
  });
});

describe("the release build", () => {
  it("imports nothing but its memory", () => {
    expect(WebAssembly.Module.imports(compile("build/kernels.wasm"))).toEqual([
      { module: "env", name: "memory", kind: "memory" },
    ]);
  });

  it("is the module that is embedded", () => {
    const names = (module: WebAssembly.Module) =>
      WebAssembly.Module.exports(module).map(({ name }) => name);
    expect(names(embeddedModule("baseline"))).toEqual(names(compile("build/kernels.wasm")));
    expect(embeddedModule("baseline")).toBe(embeddedModule("baseline"));
  });

  it("stays small", () => {
    expect(readFileSync(new URL("build/kernels.wasm", root)).byteLength).toBeLessThan(25_000);
  });
});

function sourceFiles(): string[] {
  const folder = new URL("assembly/kernels/", root);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(new URL(file, folder), "utf8"));
}

describe("assembly/README.md", () => {
  const readme = readFileSync(new URL("assembly/README.md", root), "utf8");

  it("has a row for every kernel, and none else", () => {
    const rows = [...readme.matchAll(/^\| `(\w+)` *\|/gm)].map(([, name]) => name);
    const others = ["abiVersion", "heapBase", "isRelaxed"];
    const kernels = EXPORT_NAMES.filter((name) => !others.includes(name));
    expect(rows.sort()).toEqual([...kernels].sort());
  });

  it("lists the signatures of the sources, which the binary has", () => {
    const listed = readme.match(/^\w+\(.*\): \w+$/gm);
    const kernels = instantiateKernels(compile("build/kernels.wasm")).exports;
    const signatures = sourceFiles().flatMap((text) =>
      [...text.matchAll(/^export function (\w+)\(([^)]*)\): (\w+)/gm)].flatMap(
        ([, name = "", list = "", result]) => {
          const run = kernels[name as keyof typeof kernels] as { length: number } | undefined;
          const parameters = list.split(",").map((text) => text.trim().replace(/\s+/g, " "));
          if (run === undefined || list === "") return [];
          const present = parameters.filter((text) => text !== "");
          expect(run.length, name).toBe(present.length);
          return [`${name}(${present.join(", ")}): ${result}`];
        },
      ),
    );
    expect(listed).toEqual(signatures.sort());
  });

  it("states the ABI version", () => {
    expect(readme).toContain(`ABI version: ${ABI_VERSION}`);
  });
});
