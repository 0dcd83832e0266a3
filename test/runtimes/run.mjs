/**
 * Runs the packed quantwise in every runtime: `node test/runtimes/run.mjs [words…]`. With words, only
 * the runtimes whose names contain one of them. Exits with 1 when one fails or is missing.
 */

import { join } from "node:path";
import { createBrowsers } from "./lib/browsers.mjs";
import { createProject } from "./lib/project.mjs";
import { failedRow, tableOf } from "./lib/rows.mjs";
import { browsers } from "./runners/browsers.mjs";
import { bundlers } from "./runners/bundlers.mjs";
import { commands } from "./runners/commands.mjs";
import { edges } from "./runners/edges.mjs";
import { examplesBrowser } from "./runners/examples-browser.mjs";
import { examplesCloudflare } from "./runners/examples-cloudflare.mjs";
import { examplesDeno } from "./runners/examples-deno.mjs";
import { examplesVercel } from "./runners/examples-vercel.mjs";
import { handles } from "./runners/handles.mjs";
import { packaging } from "./runners/packaging.mjs";
import { s3 } from "./runners/s3.mjs";
import { webgpu } from "./runners/webgpu.mjs";

const words = process.argv.slice(2);
const all = [
  ...packaging,
  ...commands,
  ...edges,
  ...bundlers,
  ...browsers,
  ...handles,
  ...webgpu,
  ...s3,
  ...examplesBrowser,
  ...examplesCloudflare,
  ...examplesDeno,
  ...examplesVercel,
];
const chosen = all.filter(
  ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
);
if (chosen.length === 0) {
  console.error(`no runtime is called ${words.join(" or ")}; there are:`);
  for (const { name } of all) console.error(`  ${name}`);
  process.exit(1);
}

const seconds = () => performance.now() / 1000;
const begin = seconds();
const project = await createProject();
console.log(`${project.files} files in the tarball; answers: ${project.made}`);
const context = {
  ...project,
  shared: {},
  browsers: createBrowsers(join(project.folder, "profiles")),
};
const rows = [];
try {
  for (const { name, version, run } of chosen) {
    const from = seconds();
    let row;
    let said = "-";
    try {
      said = await version(context);
      row = await run(context);
    } catch (error) {
      row = failedRow(error.message);
    }
    rows.push({ name, version: said, ...row, seconds: seconds() - from });
    const { kernels, passed, problems } = row;
    console.log(`${name} ${said}: ${kernels.name}, ${passed} passed, ${problems.length} failed`);
    for (const problem of problems) console.log(`    ${problem}`);
  }
} finally {
  context.browsers.close();
  if (process.env.QUANTWISE_KEEP === undefined) project.remove();
  else console.log(`kept: ${project.folder}`);
}

console.log(`\n${tableOf(rows)}\n`);
const failed = rows.reduce((sum, { problems }) => sum + problems.length, 0);
const passed = rows.reduce((sum, row) => sum + row.passed, 0);
console.log(`${rows.length} runtimes, ${(seconds() - begin).toFixed(0)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && rows.every((row) => row.passed > 0) ? 0 : 1;
