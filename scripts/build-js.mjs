// Bundles the doors of package.json and the command into build/js. Everything they need is inside:
// the package has no runtime dependencies. Licences of what was bundled go along.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { buildReport } from "./build-report.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const out = "build/js";
rmSync(out, { recursive: true, force: true });

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  outdir: out,
  metafile: true,
  sourcemap: true,
  legalComments: "none",
  define: { QUANTWISE_VERSION: JSON.stringify(version) },
};

// The report's page, which goes into the command as text.
const page = await buildReport();

// The library: one copy of shared code. Only the door `node` imports Node's modules.
const library = await build({
  ...common,
  entryPoints: {
    index: "src/index.ts",
    schemes: "src/schemes/index.ts",
    safetensors: "src/formats/safetensors/index.ts",
    checkpoint: "src/checkpoint/index.ts",
    kernels: "src/kernels/index.ts",
    linear: "src/linear/index.ts",
    gguf: "src/gguf/index.ts",
    web: "src/web/index.ts",
    webgpu: "src/webgpu/index.ts",
    node: "src/node/index.ts",
    threads: "src/threads/web.ts",
    worker: "src/threads/worker.ts",
    "threads-node": "src/node/threads.ts",
    "node-worker": "src/node/node-worker.ts",
  },
  external: ["node:*"],
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  platform: "neutral",
  mainFields: ["module", "main"],
  plugins: [builtWorker()],
});

// The same doors for workerd, which compiles no bytes: modules are imported.
const workerd = await build({
  ...common,
  outdir: `${out}/workerd`,
  entryPoints: {
    index: "src/index.ts",
    schemes: "src/schemes/index.ts",
    safetensors: "src/formats/safetensors/index.ts",
    checkpoint: "src/checkpoint/index.ts",
    kernels: "src/kernels/index.ts",
    linear: "src/linear/index.ts",
    gguf: "src/gguf/index.ts",
    web: "src/web/index.ts",
    webgpu: "src/webgpu/index.ts",
    threads: "src/threads/web.ts",
  },
  splitting: true,
  // Beside the doors, so that one relative path to the modules serves every file.
  chunkNames: "[name]-[hash]",
  platform: "neutral",
  mainFields: ["module", "main"],
  plugins: [
    builtWorker(),
    importedModules("embedded-module", "embeddedModule", "../../kernels"),
    importedModules("linear-module", "linearModule", "../../linear"),
    importedModule("ggml-module", "ggmlModule", "../../ggml"),
  ],
});

// The command, for Node.
const command = await build({
  ...common,
  entryPoints: { cli: "src/cli/main.ts" },
  platform: "node",
  // The bundled CommonJS packages require Node's own modules.
  banner: {
    js: 'import { createRequire as quantwiseRequire } from "node:module";\nconst require = quantwiseRequire(import.meta.url);',
  },
});

// npm would leave out what git ignores.
writeFileSync("build/.npmignore", "*.map\n*.debug.*\nsample-nf4/\n");
writeFileSync(join(out, "THIRD-PARTY.txt"), licences([library, workerd, command, page]));

/** The threads' worker by the name that it has in the build. */
function builtWorker() {
  return {
    name: "built-worker",
    setup(build) {
      build.onLoad({ filter: /[\\/]threads[\\/]web\.ts$/ }, ({ path }) => {
        const text = readFileSync(path, "utf8");
        const contents = text.replace('new URL("./worker.ts"', 'new URL("./worker.js"');
        if (contents === text) throw new Error(`${path} starts no ./worker.ts`);
        return { contents, loader: "ts" };
      });
    },
  };
}

/** Puts modules that the bundler or the runtime imports in the place of the embedded ones. */
function importedModules(file, name, path) {
  const source = `import baseline from "${path}.wasm";
import relaxed from "${path}-relaxed.wasm";
const modules = { baseline, relaxed };
export const ${name} = (simd) => modules[simd];
`;
  return replaced(file, source);
}

/** The same for kernels of which there is one build. */
function importedModule(file, name, path) {
  return replaced(
    file,
    `import module from "${path}.wasm";\nexport const ${name} = () => module;\n`,
  );
}

function replaced(file, contents) {
  return {
    name: `imported-${file}`,
    setup(build) {
      build.onResolve({ filter: /\.wasm$/ }, ({ path }) => ({ path, external: true }));
      build.onLoad({ filter: new RegExp(`[\\\\/]${file}\\.ts$`) }, () => ({
        contents,
        loader: "js",
      }));
    },
  };
}

/** The licence texts of the packages that went into the bundles. */
function licences(results) {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const packages = new Set(
    inputs.map((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1]).filter(Boolean),
  );
  return [...packages]
    .sort()
    .map((name) => {
      const folder = join("node_modules", name);
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      const text =
        file && existsSync(join(folder, file))
          ? readFileSync(join(folder, file), "utf8")
          : manifest.license;
      return `${name} ${manifest.version}\n\n${text.trim()}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}
