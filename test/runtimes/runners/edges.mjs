/** Edge runtimes: workerd, through wrangler's bundle and raw, and Vercel's EdgeVM. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { EdgeVM } from "@edge-runtime/vm";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { withPaths } from "../lib/doors.mjs";
import { ofNode, REFERENCE, RELAXED } from "../lib/expected.mjs";
import { freePort, must, start, stop } from "../lib/processes.mjs";
import { program } from "../lib/project.mjs";
import { rowOf, versionOf } from "../lib/rows.mjs";

const COMPATIBILITY_DATE = "2026-04-01";
const versionInside = (name) =>
  JSON.parse(readFileSync(program(`${name}/package.json`), "utf8")).version;

/** What `wrangler deploy` would upload, in the workerd of its own miniflare. */
const wrangler = {
  name: "workerd, bundled by wrangler",
  version: () => `${versionInside("miniflare")}, wrangler ${versionInside("wrangler")}`,
  run: async ({ project }) => {
    const config = join(project, "wrangler.json");
    const settings = { name: "suite", main: "suite/worker.mjs" };
    writeFileSync(config, JSON.stringify({ ...settings, compatibility_date: COMPATIBILITY_DATE }));
    const out = join(project, "out-wrangler");
    const args = ["deploy", "--dry-run", "--outdir", out, "--config", config];
    await must(program(".bin/wrangler"), args, {
      cwd: project,
      env: { WRANGLER_SEND_METRICS: "false", CI: "1" },
    });
    const miniflare = new Miniflare({
      modulesRoot: out,
      scriptPath: join(out, "worker.js"),
      modules: true,
      modulesRules: [
        { type: "CompiledWasm", include: ["**/*.wasm"] },
        { type: "ESModule", include: ["**/*.js"] },
      ],
      compatibilityDate: COMPATIBILITY_DATE,
    });
    try {
      const body = JSON.stringify(RELAXED);
      const response = await miniflare.dispatchFetch("http://suite/", { method: "POST", body });
      return rowOf(await resultOf(response));
    } finally {
      await miniflare.dispose();
    }
  },
};

/** The tarball's own files as modules of the newest workerd, no bundler. */
function raw(name, condition, expected) {
  return {
    name,
    version: () => versionOf(program("workerd/bin/workerd")),
    run: async ({ folder, suite, package: quantwise }) => {
      const modules = [];
      const add = (path, file) => {
        const type = path.endsWith(".wasm") ? "wasm" : "esModule";
        modules.push(`(name = "${path}", ${type} = embed "${relative(config, file)}")`);
      };
      const config = join(folder, `raw-${condition}`);
      mkdirSync(config, { recursive: true });
      for (const name of ["worker.mjs", ...readdirSync(suite).filter((n) => n !== "worker.mjs")]) {
        if (!SUITE.includes(name)) continue;
        const text = readFileSync(join(suite, name), "utf8");
        const file = join(config, name);
        writeFileSync(file, withPaths(text, quantwise, "../quantwise", [condition, "default"]));
        add(`suite/${name}`, file);
      }
      const build = join(quantwise, "build");
      for (const path of readdirSync(build, { recursive: true })) {
        if (/^js.*(?<!cli|node)\.js$|^(kernels|linear|ggml)(-relaxed)?\.wasm$/.test(path)) {
          add(`quantwise/build/${path}`, join(build, path));
        }
      }
      const port = await freePort();
      writeFileSync(join(config, "config.capnp"), configText(modules, port));
      const child = start(program("workerd/bin/workerd"), ["serve", join(config, "config.capnp")]);
      try {
        return rowOf(await resultOf(await posted(port, expected, child)));
      } finally {
        stop(child);
      }
    },
  };
}

const SUITE = [
  "worker.mjs",
  "module.mjs",
  "entry.mjs",
  "answers.mjs",
  "suite.mjs",
  "records.mjs",
  "sha256.mjs",
];

const configText = (modules, port) => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .suite)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")]
);
const suite :Workerd.Worker = (
  modules = [
    ${modules.join(",\n    ")}
  ],
  compatibilityDate = "${COMPATIBILITY_DATE}"
);
`;

/** Asks until the server is up. */
async function posted(port, expected, child) {
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  for (let i = 0; i < 100; i++) {
    try {
      const body = JSON.stringify(expected);
      return await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body });
    } catch {
      if (child.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error(`workerd does not answer: ${said.slice(-2000)}`);
}

async function resultOf(response) {
  const text = await response.text();
  if (!response.ok) throw new Error(`status ${response.status}: ${text.slice(0, 2000)}`);
  return JSON.parse(text);
}

/** Vercel's: one bundled script. Its production forbids compiling bytes, as `isStrict`. */
function edge(name, isStrict, expected) {
  return {
    name,
    version: () => `${versionInside("@edge-runtime/vm")}, Node ${process.versions.node}`,
    run: async ({ suite, package: quantwise }) => {
      const { outputFiles } = await build({
        stdin: {
          contents: 'import { result } from "./entry.mjs"; globalThis.suite = result(expected);',
          resolveDir: suite,
        },
        bundle: true,
        write: false,
        format: "iife",
        platform: "neutral",
        conditions: ["edge-light"],
      });
      const kernels = readFileSync(join(quantwise, "build/kernels.wasm"));
      const module = isStrict ? new WebAssembly.Module(kernels) : undefined;
      const vm = new EdgeVM({
        codeGeneration: { strings: false, wasm: !isStrict },
        extend: (context) => Object.assign(context, { expected: { ...expected, module } }),
      });
      vm.evaluate(outputFiles[0].text);
      return rowOf(await vm.context.suite);
    },
  };
}

export const edges = [
  wrangler,
  raw("workerd, raw modules", "workerd", RELAXED),
  raw("workerd, the default door", "default", {
    ...REFERENCE,
    because: "Wasm code generation disallowed by embedder",
  }),
  edge("edge-vm", false, ofNode(Number.parseInt(process.versions.node, 10))),
  edge("edge-vm, no compiling", true, REFERENCE),
];
