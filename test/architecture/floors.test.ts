import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const src = fileURLToPath(new URL("../../src/", import.meta.url));

/** From the ground up. Who shares a floor does not know the neighbour. */
const FLOORS: readonly (readonly string[])[] = [
  ["foundation"],
  ["schemes"],
  ["formats"],
  ["kernels"],
  // Metrics are plain sums: the encoders of `tensor` collect them.
  ["metrics"],
  ["tensor"],
  ["ggml"],
  ["checkpoint", "linear", "threads"],
  ["gguf"],
  // `webgpu` multiplies on the host where it has to: `linear` is below.
  ["web", "webgpu"],
  ["node"],
  ["cli"],
];

/** The library's front door stands on the roof of `checkpoint`: no file system, no command. */
const INDEX_FLOOR = FLOORS.findIndex((rooms) => rooms.includes("checkpoint"));

/** Rooms inside `formats`, from the ground up. */
const FORMATS: readonly string[] = ["json", "safetensors", "gguf"];

interface Import {
  readonly from: string;
  readonly to: string;
}

const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
  .map((entry) => relative(src, join(entry.parentPath, entry.name)))
  .sort();

/** Every import and re-export of a file, types included: `from "x"`, `import "x"`, `import("x")`. */
function specifiersOf(file: string): string[] {
  const text = readFileSync(join(src, file), "utf8").replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const pattern = /(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g;
  return [...text.matchAll(pattern)].map((match) => match[1] as string);
}

const imports: Import[] = files.flatMap((from) =>
  specifiersOf(from)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => ({ from, to: relative(src, join(src, dirname(from), specifier)) })),
);

function roomOf(file: string): string {
  return file.split("/")[0] as string;
}

function floorOf(file: string): number {
  if (file === "index.ts") return INDEX_FLOOR;
  return FLOORS.findIndex((rooms) => rooms.includes(roomOf(file)));
}

const arrow = ({ from, to }: Import) => `${from} -> ${to}`;

describe("the floors of src/", () => {
  it("are seen by this test: it finds the files and their imports", () => {
    expect(files.length).toBeGreaterThan(80);
    expect(imports.length).toBeGreaterThan(files.length);
    expect(imports).toContainEqual({
      from: "tensor/encoder.ts",
      to: "metrics/quantization-error.ts",
    });
  });

  it("hold every file but the front door", () => {
    expect(files.filter((file) => floorOf(file) < 0)).toEqual([]);
    const rooms = new Set(files.filter((file) => file !== "index.ts").map(roomOf));
    expect([...rooms].sort()).toEqual(FLOORS.flat().sort());
  });

  it("import existing files, by their full names", () => {
    const known = new Set([
      ...files,
      "kernels/wasm/binary.generated.ts",
      "kernels/wasm/linear/linear.generated.ts",
      "kernels/wasm/ggml/ggml.generated.ts",
    ]);
    expect(imports.filter(({ to }) => !known.has(to)).map(arrow)).toEqual([]);
  });

  it("import downwards only, and no neighbour", () => {
    const wrong = imports.filter(({ from, to }) => {
      if (from === "index.ts") return floorOf(to) > INDEX_FLOOR;
      if (to === "index.ts") return true;
      return roomOf(from) !== roomOf(to) && floorOf(to) >= floorOf(from);
    });
    expect(wrong.map(arrow)).toEqual([]);
  });

  it("keep the rooms of formats in order: JSON knows no safetensors, and that no GGUF", () => {
    const wrong = imports.filter(({ from, to }) => {
      if (roomOf(from) !== "formats" || roomOf(to) !== "formats") return false;
      const [a, b] = [from, to].map((file) => FORMATS.indexOf(file.split("/")[1] as string));
      return (b as number) > (a as number);
    });
    expect(wrong.map(arrow)).toEqual([]);
  });

  it("have no cycle of files", () => {
    const targets = new Map<string, string[]>();
    for (const { from, to } of imports) targets.set(from, [...(targets.get(from) ?? []), to]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
        return;
      }
      if (done.has(file)) return;
      for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it("know Node only in node/ and cli/", () => {
    const wrong = files.filter(
      (file) =>
        !["node", "cli"].includes(roomOf(file)) &&
        specifiersOf(file).some((specifier) => specifier.startsWith("node:")),
    );
    expect(wrong).toEqual([]);
    const globals = files.filter(
      (file) =>
        !["node", "cli"].includes(roomOf(file)) &&
        /\b(process|Buffer)\.\w/.test(readFileSync(join(src, file), "utf8")),
    );
    expect(globals).toEqual([]);
  });

  it("let packages in at one place each", () => {
    const users = new Map<string, string[]>();
    for (const file of files) {
      for (const specifier of specifiersOf(file)) {
        if (/^(\.|node:)/.test(specifier)) continue;
        const name = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] as string;
        // Every command of the command line is one place.
        const place = file.replace(/^cli\/commands\/.*/, "cli/commands/");
        users.set(name, [...new Set([...(users.get(name) ?? []), place])]);
      }
    }
    expect(Object.fromEntries([...users].sort())).toEqual({
      "@assemblyscript/loader": ["kernels/wasm/instantiate.ts"],
      "cli-progress": ["cli/progress.ts"],
      commander: ["cli/arguments.ts", "cli/commands/", "cli/main.ts"],
      picomatch: ["checkpoint/glob.ts"],
      uplot: ["cli/report/page/plot.ts"],
    });
  });
});
