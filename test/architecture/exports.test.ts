import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies?: unknown;
  readonly peerDependencies?: unknown;
  readonly optionalDependencies?: unknown;
}

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;

const targets = Object.entries(manifest.exports).flatMap(([door, target]) =>
  typeof target === "string"
    ? [{ door, condition: "default", path: target }]
    : Object.entries(target).map(([condition, path]) => ({ door, condition, path })),
);

/** Doors that run anywhere; `node` is for Node. */
const scripts = targets.filter(({ path }) => path.endsWith(".js"));
const core = scripts.filter(({ door, condition }) => door !== "./node" && condition !== "node");
const doors = [...new Set(scripts.map(({ door }) => door))];

/** The built file and every file that it loads. */
function bundleOf(path: string): Map<string, string> {
  const files = new Map<string, string>();
  const add = (file: string) => {
    if (files.has(file)) return;
    const text = readFileSync(file, "utf8");
    files.set(file, text);
    for (const specifier of specifiersOf(text)) {
      if (specifier.startsWith(".")) {
        add(fileURLToPath(new URL(specifier, pathToFileURL(file))));
      }
    }
  };
  add(join(root, path));
  return files;
}

function specifiersOf(text: string): string[] {
  const pattern =
    /(?:^|[\s;}])(?:import|export)\b(?!\.)[^"'`;]*?["']([^"']+)["']|\bimport\(\s*["']([^"']+)/g;
  return [...text.matchAll(pattern)].map((match) => (match[1] ?? match[2]) as string);
}

describe("package.json's exports", () => {
  it.each(targets)("$door ($condition) exists after the build", ({ path }) => {
    expect(existsSync(join(root, path))).toBe(true);
    expect(statSync(join(root, path)).size).toBeGreaterThan(0);
  });

  it.each(doors)("%s can be imported by its name, in Node", (door) => {
    const specifier = JSON.stringify(join(manifest.name, door));
    const code = `const door = await import(${specifier}); console.log(Object.keys(door).join(" "));`;
    const names = execFileSync(process.execPath, ["--input-type=module", "-e", code], {
      cwd: root,
      encoding: "utf8",
    });
    expect(names.trim().split(" ").length).toBeGreaterThan(2);
  });

  it("have what the README's first lines use", async () => {
    const code = `
      import { dequantize, quantize } from "${manifest.name}";
      import { QuantizeSafetensorsStream } from "${manifest.name}/checkpoint";
      const weights = Float32Array.from({ length: 4096 }, (_, i) => Math.sin(i));
      const q = quantize(weights, { quantType: "nf4", blockSize: 64, doubleQuant: true, shape: [64, 64] });
      const w = dequantize(q);
      console.log(w.length, q.kernels.name, typeof QuantizeSafetensorsStream);`;
    const options = { cwd: root, encoding: "utf8" } as const;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", code], options);
    expect(output.trim()).toBe("4096 wasm function");
  });

  it("need no other package at run time", () => {
    expect(manifest.dependencies ?? {}).toEqual({});
    expect(manifest.peerDependencies ?? {}).toEqual({});
    expect(manifest.optionalDependencies ?? {}).toEqual({});
    for (const { path } of scripts) {
      for (const [file, text] of bundleOf(path)) {
        const foreign = specifiersOf(text).filter((name) => !/^(\.|node:)/.test(name));
        expect(`${file}: ${foreign}`).toBe(`${file}: `);
      }
    }
  });

  it.each(core)("$door ($condition) imports nothing of Node", ({ path }) => {
    for (const text of bundleOf(path).values()) {
      expect(specifiersOf(text).filter((name) => name.startsWith("node:"))).toEqual([]);
    }
  });

  it("work where there is no process, no Buffer and no require", () => {
    const doors = core.map(({ door }) => JSON.stringify(join(manifest.name, door)));
    const code = `
      const { log } = console;
      for (const name of ["process", "Buffer", "require", "global"]) delete globalThis[name];
      const doors = await Promise.all([${doors}].map((door) => import(door)));
      const { quantize, dequantize } = doors[0];
      const { layerRules, parseRule } = doors.find((door) => "parseRule" in door);
      parseRule("**.mlp.*=fp4");
      layerRules({ architectures: [] });
      log(doors.length, dequantize(quantize(new Float32Array(64).fill(1)))[0]);`;
    const options = { cwd: root, encoding: "utf8" } as const;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", code], options);
    expect(output.trim()).toBe(`${core.length} 1`);
  });

  it("share one copy of the errors, so that instanceof works across doors", () => {
    const code = `
      import { FormatError } from "${manifest.name}";
      import { openSafetensors } from "${manifest.name}/safetensors";
      const source = { name: "x", size: 0, read: async () => {} };
      const error = await openSafetensors(source).catch((error) => error);
      console.log(error instanceof FormatError);`;
    const options = { cwd: root, encoding: "utf8" } as const;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", code], options);
    expect(output.trim()).toBe("true");
  });

  it("give the kernels as files, of which the baseline compiles anywhere", async () => {
    const bytesOf = (wanted: string) =>
      readFileSync(join(root, targets.find(({ door }) => door === wanted)?.path as string));
    expect(await WebAssembly.compile(bytesOf("./kernels.wasm"))).toBeInstanceOf(WebAssembly.Module);
    expect(bytesOf("./kernels-relaxed.wasm").subarray(0, 4).toString()).toBe("\0asm");
  });

  it("carry the licences of what was bundled", () => {
    const text = readFileSync(join(root, "build/js/THIRD-PARTY.txt"), "utf8");
    for (const name of ["@assemblyscript/loader", "picomatch", "commander", "cli-progress"]) {
      expect(text).toContain(name);
    }
  });

  it("do not name this machine in the build", () => {
    const files = readdirSync(join(root, "build/js"), { recursive: true, encoding: "utf8" });
    for (const name of files.filter((file) => /\.(js|txt)$/.test(file))) {
      const isNamed = readFileSync(join(root, "build/js", name), "utf8").includes(root);
      expect(`${name} ${isNamed}`).toBe(`${name} false`);
    }
  });
});

describe("the quantwise command", () => {
  const command = join(root, manifest.bin.quantwise as string);

  it("says its version", () => {
    const output = execFileSync(process.execPath, [command, "--version"], { encoding: "utf8" });
    expect(output.trim()).toBe(manifest.version);
  });

  it("begins with the line that makes it one", () => {
    expect(readFileSync(command, "utf8").split("\n")[0]).toBe("#!/usr/bin/env node");
  });
});
