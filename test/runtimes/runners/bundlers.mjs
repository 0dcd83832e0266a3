/** Bundlers: a page built by each loads and quantizes, in Chromium, under a strict policy. */

import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { browserVersion } from "../lib/browsers.mjs";
import { RELAXED } from "../lib/expected.mjs";
import { must } from "../lib/processes.mjs";
import { program } from "../lib/project.mjs";
import { failedRow, rowOf, versionOf } from "../lib/rows.mjs";

const versionInside = (name) =>
  JSON.parse(readFileSync(program(`${name}/package.json`), "utf8")).version;

const HEADERS = {
  "content-security-policy":
    "default-src 'none'; connect-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
};

/** `bundle(entry, out, project)` writes scripts into `out`, the first of which begins the page. */
const BUNDLERS = {
  esbuild: {
    version: () => versionInside("esbuild"),
    bundle: async (entry, out) => {
      const { build } = await import("esbuild");
      await build({
        entryPoints: [entry],
        outdir: out,
        bundle: true,
        format: "esm",
        minify: true,
        logLevel: "warning",
      });
    },
  },
  vite: {
    version: () => versionInside("vite"),
    bundle: async (entry, out, root) => {
      const { build } = await import("vite");
      await build({
        root,
        configFile: false,
        logLevel: "warn",
        build: { outDir: out, rollupOptions: { input: entry }, modulePreload: false },
      });
    },
  },
  webpack: {
    version: () => versionInside("webpack"),
    bundle: async (entry, out, context) => {
      const { default: webpack } = await import("webpack");
      const compiler = webpack({ mode: "production", context, entry, output: { path: out } });
      await new Promise((resolve, reject) => {
        compiler.run((error, stats) => {
          if (error !== null) reject(error);
          else if (stats.hasErrors()) reject(new Error(stats.toString("errors-only")));
          else compiler.close(resolve);
        });
      });
    },
  },
  rolldown: {
    version: () => versionInside("rolldown"),
    bundle: async (entry, out, cwd) => {
      const { build } = await import("rolldown");
      await build({ input: entry, cwd, platform: "browser", output: { dir: out, minify: true } });
    },
  },
  "bun build": {
    version: () => versionOf(program(".bin/bun")),
    bundle: (entry, out, cwd) =>
      must(
        program(".bin/bun"),
        ["build", entry, "--target", "browser", "--minify", "--outdir", out],
        { cwd },
      ),
  },
  "deno bundle": {
    version: () => versionOf(program(".bin/deno")),
    bundle: (entry, out, cwd) =>
      must(
        program(".bin/deno"),
        ["bundle", "--platform", "browser", "--minify", "--output", join(out, "page.js"), entry],
        { cwd },
      ),
  },
};

export const bundlers = Object.entries(BUNDLERS).map(([name, { version, bundle }]) => ({
  name: `page by ${name}`,
  version: async () => `${await version()}, Chromium ${await browserVersion("chromium")}`,
  run: async ({ project, suite, browsers }) => {
    const out = join(project, `out-${name.replace(" ", "-")}`);
    mkdirSync(out);
    // A name of its own, so that the output is found.
    const entry = join(suite, "page-to-bundle.mjs");
    cpSync(join(suite, "bundled-page.mjs"), entry);
    await bundle(entry, out, project);
    const scripts = readdirSync(out, { recursive: true }).filter((file) => /\.m?js$/.test(file));
    if (scripts.length !== 1) throw new Error(`expected one script, found ${scripts}`);
    const page = {
      folder: out,
      script: scripts[0],
      expected: RELAXED,
      headers: HEADERS,
    };
    const found = await browsers.visit("chromium", page);
    return found.problem === undefined ? rowOf(found) : failedRow(found.problem);
  },
}));
