/** The door `webgpu` on software adapters: Mesa's lavapipe, and SwiftShader, which comes with Chromium. */

import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { goldenCases } from "../golden.mjs";
import { browserVersion } from "../lib/browsers.mjs";
import { withPaths } from "../lib/doors.mjs";
import { must } from "../lib/processes.mjs";
import { node, program, root } from "../lib/project.mjs";
import { failedRow, rowOf, rowOfProgram, versionOf } from "../lib/rows.mjs";

const SWIFTSHADER = { VK_ICD_FILENAMES: "/usr/lib/chromium/vk_swiftshader_icd.json" };
/** Dawn for Node and Bun, from npm. */
const dawn = pathToFileURL(program("webgpu/index.js")).href;

function command(name, path, flags, expected, env = {}) {
  return {
    name: `webgpu in ${name}`,
    version: () => versionOf(path),
    run: ({ suite, folder }) =>
      rowOfProgram(path, [...flags, join(suite, "webgpu-cli.mjs"), JSON.stringify(expected)], {
        cwd: suite,
        env: { ...env, XDG_RUNTIME_DIR: folder },
      }),
  };
}

/** From suite/ to the package. */
const BASE = "../node_modules/quantwise";

function browser(name, flags, place, expected) {
  return {
    name: `webgpu in ${name}, ${place}`,
    version: () => browserVersion(name),
    run: async ({ project, package: quantwise, browsers }) => {
      const rewrite = (file, text) =>
        file.startsWith("suite/") ? withPaths(text, quantwise, BASE, ["browser", "default"]) : text;
      const script = place === "page" ? "suite/page.mjs" : "suite/page-with-worker.mjs";
      const page = { folder: project, script, rewrite, seconds: 120 };
      const asked = { ...expected, entry: "./webgpu.mjs" };
      const found = await browsers.visit(name, { ...page, expected: asked }, flags);
      return found.problem === undefined ? rowOf(found) : failedRow(found.problem);
    },
  };
}

/** On lavapipe, which is the fastest. */
const golden = {
  name: "webgpu in deno: every golden vector",
  version: () => versionOf(program(".bin/deno")),
  run: (context) => {
    const file = join(context.suite, "golden.mjs");
    writeFileSync(file, `export default ${JSON.stringify(goldenCases(true))};\n`);
    const expected = { adapter: "llvmpipe", golden: "./golden.mjs" };
    return command("deno", program(".bin/deno"), DENO_FLAGS, expected).run(context);
  },
};

const DENO_FLAGS = ["run", "--no-prompt", "--allow-read"];

/** examples/webgpu, built by Vite from the packed package. */
const example = {
  name: "examples/webgpu in chromium",
  version: () => browserVersion("chromium"),
  run: async ({ project, browsers }) => {
    const folder = join(project, "examples/webgpu");
    const filter = (path) => !/node_modules|dist/.test(path.slice(root.length));
    cpSync(join(root, "examples/webgpu"), folder, { recursive: true, filter });
    const out = join(project, "example-webgpu");
    await must(program(".bin/vite"), ["build", "--outDir", out, "--emptyOutDir"], { cwd: folder });
    const page = { folder: project, script: "suite/example-webgpu-page.mjs" };
    const expected = { adapter: "swiftshader" };
    const found = await browsers.visit("chromium", { ...page, expected }, CHROMIUM_FLAGS);
    return found.problem === undefined ? rowOf(found) : failedRow(found.problem);
  },
};

const CHROMIUM_FLAGS = ["--enable-unsafe-webgpu"];
const FIREFOX_FLAGS = ["dom.webgpu.enabled=true", "gfx.webgpu.ignore-blocklist=true"];

export const webgpu = [
  command("node 20 (Dawn)", node(20), [], { dawn, adapter: "swiftshader" }, SWIFTSHADER),
  command(
    "bun (Dawn)",
    program(".bin/bun"),
    ["run"],
    { dawn, adapter: "swiftshader", isSlow: true },
    SWIFTSHADER,
  ),
  command("deno", program(".bin/deno"), ["run", "--no-prompt"], { adapter: "llvmpipe" }),
  golden,
  browser("chromium", CHROMIUM_FLAGS, "worker", { adapter: "swiftshader" }),
  example,
  // Firefox does not tell what its adapter is.
  browser("firefox", FIREFOX_FLAGS, "page", { adapter: "without a name", isSlow: true }),
];
