/** The package itself: what publint, attw, TypeScript, a bundler and JSR say of the tarball. */

import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { execute } from "../lib/processes.mjs";
import { here, node, program, root } from "../lib/project.mjs";
import { versionOf } from "../lib/rows.mjs";

const versionInside = (name) =>
  JSON.parse(readFileSync(program(`${name}/package.json`), "utf8")).version;

/** A row of the table; `body` returns the problems, or throws one. */
function row(name, version, body) {
  return {
    name: `package: ${name}`,
    version,
    run: async (context) => {
      const { problems, said = "-" } = await body(context);
      const passed = problems.length === 0 ? 1 : 0;
      return { kernels: { name: said, reason: "" }, passed, problems };
    },
  };
}

const withPublint = row(
  "publint",
  () => versionInside("publint"),
  async ({ package: pkgDir }) => {
    const { messages, pkg } = await publint({ pkgDir, strict: true });
    return { problems: messages.map((message) => formatMessage(message, pkg)) };
  },
);

const withAttw = row(
  "attw",
  () => versionInside("@arethetypeswrong/cli"),
  async ({ tarball }) => {
    const args = [tarball, "--profile", "esm-only", "--no-color", "--no-emoji"];
    // Neither has types: bytes, and JSON.
    const excluded = [
      "--exclude-entrypoints",
      "./kernels.wasm",
      "./kernels-relaxed.wasm",
      "./linear.wasm",
      "./linear-relaxed.wasm",
      "./ggml.wasm",
      "./package.json",
    ];
    const { code, stdout, stderr } = await execute(program(".bin/attw"), [...args, ...excluded]);
    return { problems: code === 0 ? [] : [`${stdout}\n${stderr}`.trim()] };
  },
);

/** The doors that hold code, by the names that users import. */
function scriptDoors(packageFolder) {
  const { exports } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
  return Object.keys(exports)
    .filter((door) => !/\.(wasm|json)$/.test(door))
    .map((door) => `quantwise${door.slice(1)}`);
}

const RESOLUTIONS = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};

const typed = Object.entries(RESOLUTIONS).map(([name, resolution]) =>
  row(
    `types, ${name}`,
    () => versionInside("typescript"),
    async ({ project, package: quantwise }) => {
      const folder = join(project, `types-${name}`);
      mkdirSync(folder);
      cpSync(join(here, "types/doors.ts.txt"), join(folder, "doors.ts"));
      writeFileSync(
        join(folder, "tsconfig.json"),
        JSON.stringify({
          compilerOptions: {
            ...resolution,
            target: "es2022",
            lib: ["es2023", "dom", "dom.iterable", "dom.asynciterable"],
            types: [],
            strict: true,
            exactOptionalPropertyTypes: true,
            // Our own declarations are checked, too.
            skipLibCheck: false,
            noEmit: true,
          },
          files: ["doors.ts"],
        }),
      );
      const tsc = program("typescript/bin/tsc");
      const { code, stdout } = await execute(process.execPath, [tsc, "-p", folder]);
      const text = readFileSync(join(folder, "doors.ts"), "utf8");
      const unused = scriptDoors(quantwise).filter((door) => !text.includes(`from "${door}"`));
      return {
        problems: [
          ...(code === 0 ? [] : [stdout.trim()]),
          ...unused.map((door) => `types/doors.ts.txt does not import ${door}`),
        ],
      };
    },
  ),
);

/** Each key of `exports` can be imported or read. */
const doors = row(
  "every door opens",
  () => versionOf(node(20)),
  async ({ project, package: quantwise }) => {
    const { exports } = JSON.parse(readFileSync(join(quantwise, "package.json"), "utf8"));
    const problems = [];
    for (const door of Object.keys(exports)) {
      const specifier = JSON.stringify(`quantwise${door.slice(1)}`);
      const isScript = !/\.(wasm|json)$/.test(door);
      const code = isScript
        ? `const door = await import(${specifier}); if (Object.keys(door).length === 0) throw 1;`
        : `(await import("node:fs")).statSync(new URL(import.meta.resolve(${specifier})));`;
      const args = ["--input-type=module", "-e", code];
      const { code: exit, stderr } = await execute(node(20), args, { cwd: project });
      if (exit !== 0) problems.push(`${door}: ${stderr.trim()}`);
    }
    return { problems, said: `${Object.keys(exports).length} doors` };
  },
);

async function bundled(contents, resolveDir) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir },
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2022",
    logLevel: "error",
  });
  return outputFiles[0].contents;
}

function size(name, bytesMax, names, door = "quantwise") {
  return row(
    `${name} under ${bytesMax / 1000} kB`,
    () => `esbuild ${versionInside("esbuild")}`,
    async ({ project }) => {
      const script = await bundled(`export ${names} from "${door}";`, project);
      const bytes = gzipSync(script, { level: 9 }).length;
      const said = `${script.length} minified, ${bytes} gzipped`;
      return { problems: bytes < bytesMax ? [] : [`${said}, of ${bytesMax}`], said };
    },
  );
}

/** Minified and gzipped bytes of imports; see README.md. */
const sizes = [
  size("the core", 50_000, "*"),
  size("the stream", 75_000, "{ QuantizeSafetensorsStream }", "quantwise/checkpoint"),
];

const sideEffects = row(
  "no side effects",
  () => `esbuild ${versionInside("esbuild")}`,
  async ({ project, package: quantwise }) => {
    const scripts = scriptDoors(quantwise).filter((door) => door !== "quantwise/node");
    const imports = scripts.map((door) => `import "${door}";`).join("");
    const script = await bundled(imports, project);
    const rest = Buffer.from(script).toString().trim();
    return { problems: rest === "" ? [] : [`left behind: ${rest.slice(0, 300)}`] };
  },
);

const jsr = row(
  "deno publish --dry-run",
  () => versionOf(program(".bin/deno")),
  async () => {
    const args = ["publish", "--dry-run", "--allow-dirty", "--config", "jsr.json"];
    // Slow types are errors, too.
    const { code, stderr } = await execute(program(".bin/deno"), args, { cwd: root });
    return { problems: code === 0 ? [] : [stderr.trim().slice(-3000)] };
  },
);

const documented = row(
  "typedoc",
  () => versionInside("typedoc"),
  async () => {
    const script = join(root, "scripts/build-docs-api.mjs");
    const { code, stdout, stderr } = await execute(process.execPath, [script, "--check"]);
    return { problems: code === 0 ? [] : [`${stdout}\n${stderr}`.trim().slice(-3000)] };
  },
);

export const packaging = [
  withPublint,
  withAttw,
  ...typed,
  doors,
  ...sizes,
  sideEffects,
  jsr,
  documented,
];
