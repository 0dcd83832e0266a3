// The main rows of the kernel benchmark in Node 20 and 26, Deno, Bun and, in a page, Chromium.
//
//   npm ci --prefix test/runtimes && node bench/engines.bench.mjs [--only NAME] [--write] [--quick]
//
// Each engine runs the same bundle and has memcpy in the same rounds; two engines never share a round. What is
// not here is said so. --write records bench/results-engines.md.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { browserVersion, createBrowsers } from "../test/runtimes/lib/browsers.mjs";
import { execute } from "../test/runtimes/lib/processes.mjs";
import { node, program } from "../test/runtimes/lib/project.mjs";
import { MARK, versionOf } from "../test/runtimes/lib/rows.mjs";
import { bundleProgram } from "./lib/load-source.mjs";
import { spread } from "./lib/measure.mjs";
import { machine, tableOf, withSpread } from "./lib/results.mjs";
import { meantRate } from "./lib/targets.mjs";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    write: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});
const SIZES = flags.quick
  ? [{ title: "Quick", count: 1 << 12, rounds: 3 }]
  : [
      { title: "In cache: 65,536 values", count: 1 << 16, rounds: 61 },
      { title: "Out of cache: 16,777,216 values", count: 1 << 24, rounds: 15 },
    ];
const SECONDS = 300;

const COMMANDS = {
  "node 20": { command: node(20), flags: [] },
  "node 26": { command: node(26), flags: [] },
  deno: { command: program(".bin/deno"), flags: ["run", "--no-prompt"] },
  bun: { command: program(".bin/bun"), flags: ["run"] },
  ...(flags.quick ? { "this node": { command: process.execPath, flags: [] } } : {}),
};
const BROWSERS = ["chromium"];

const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};
const PRINT = `console.log(${JSON.stringify(MARK)} + JSON.stringify(measure(JOB)));`;
const POST = `
let found;
try {
  found = measure(JOB);
} catch (error) {
  found = { problem: String(error?.stack ?? error) };
}
await fetch("done", { method: "POST", body: JSON.stringify(found) });
location.href = "/lobby";`;

const folder = mkdtempSync(join(tmpdir(), "quantwise-bench-"));
const browsers = createBrowsers(join(folder, "browsers"));
const results = new Map();
const absent = [];
try {
  for (const [engine, { command, flags: own }] of Object.entries(COMMANDS)) {
    await attempt(engine, async () => {
      if (!existsSync(command)) throw new Error("npm ci --prefix test/runtimes brings it");
      const script = await bundleFor(engine, PRINT, "node");
      const { code, stdout, stderr } = await execute(command, [...own, script], {
        seconds: SECONDS,
      });
      const line = stdout.split("\n").find((text) => text.startsWith(MARK));
      if (line === undefined) throw new Error(`exit code ${code}: ${stderr.trim().slice(-500)}`);
      return { version: await versionOf(command), ...JSON.parse(line.slice(MARK.length)) };
    });
  }
  for (const engine of BROWSERS) {
    await attempt(engine, async () => {
      const script = basename(await bundleFor(engine, POST, "browser"));
      const version = await browserVersion(engine);
      const page = { folder, script, headers: ISOLATED, seconds: SECONDS };
      const found = await browsers.visit(engine, page);
      if (found.problem !== undefined) throw new Error(found.problem);
      return { version, ...found };
    });
  }
} finally {
  browsers.close();
  rmSync(folder, { recursive: true, force: true });
}

const text = reportOf();
console.log(text);
if (flags.write) writeFileSync(new URL("results-engines.md", import.meta.url), text);
if (results.size === 0) process.exitCode = 1;

async function attempt(engine, run) {
  if (!engine.includes(flags.only)) return;
  try {
    results.set(engine, await run());
    console.error(`${engine}: done`);
  } catch (error) {
    absent.push(`- ${engine}: ${error.message.split("\n")[0]}`);
  }
}

async function bundleFor(engine, program, platform) {
  const job = JSON.stringify({ engine, sizes: SIZES, quick: flags.quick });
  const outfile = join(folder, `${engine.replace(" ", "-")}.mjs`);
  const text = `import { measure } from "./engine-program.mjs";\n${program.replace("JOB", job)}`;
  await bundleProgram(text, outfile, platform);
  return outfile;
}

function reportOf() {
  const engines = [...results].map(
    ([name, { version, kernels }]) => `- ${name}: ${version}, ${kernels.simd} SIMD`,
  );
  const sections = SIZES.flatMap(({ title }, size) => [
    `## ${title}`,
    tableOf(["kernel", ...results.keys()], cellsOf(size)),
  ]);
  const lines = [
    "# Engines",
    `\`node bench/engines.bench.mjs --write\` writes this: ${machine()}, ${new Date().toISOString().slice(0, 10)}.`,
    [...engines, ...absent].join("\n"),
    `One thread; medians of interleaved rounds. A cell: Gval/s; the ratio to memcpy (\`TypedArray.set\` of as many f32, in the
same engine and round; 10th to 90th percentile) / its target. ✓ marks a ratio that is reached, ✓ᵣ a rate that is: the
target times memcpy of the machine that it was set on, 14 Gval/s in cache and 2.5 out of it ([why](notes.md#where-the-targets-stand)).`,
    ...sections,
  ];
  return `${lines.join("\n\n")}\n`;
}

function cellsOf(size) {
  const tables = [...results.values()].map(({ tables }) => tables[size]);
  const memcpy = tables.map(({ rows }) => spread(rows.map((row) => row.memcpy)).median.toFixed(1));
  const rows = tables[0].rows.map(({ name }) => [
    name,
    ...tables.map(({ count, rows }) => {
      const row = rows.find((other) => other.name === name);
      return row === undefined ? "—" : cellOf(row, count);
    }),
  ]);
  return [["memcpy", ...memcpy], ...rows];
}

function cellOf({ rate, ratio, target }, count) {
  const reached =
    ratio.median >= target ? " ✓" : rate.median >= meantRate(target, count) ? " ✓ᵣ" : "";
  return `${rate.median.toFixed(2)}; ${withSpread(ratio)} / ${target}${reached}`;
}
