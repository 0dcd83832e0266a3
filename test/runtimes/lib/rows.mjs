/** What a runner reports: one row a runtime. */

import { execute } from "./processes.mjs";

export const MARK = "QUANTWISE RESULT ";

/** A row from what the suite returned. */
export function rowOf({ kernels, checks }) {
  const problems = checks
    .filter(({ problem }) => problem !== "")
    .map(({ name, problem }) => `${name}: ${problem}`);
  return { kernels, passed: checks.length - problems.length, problems };
}

export function failedRow(problem) {
  return { kernels: { name: "-", reason: "" }, passed: 0, problems: [problem] };
}

/** Runs a program that prints the suite's result behind the mark. */
export async function rowOfProgram(command, args, options) {
  const { code, stdout, stderr } = await execute(command, args, options);
  const line = stdout.split("\n").find((text) => text.startsWith(MARK));
  if (line === undefined) {
    return failedRow(`exit code ${code}, no result: ${`${stdout}\n${stderr}`.trim().slice(-2000)}`);
  }
  const row = rowOf(JSON.parse(line.slice(MARK.length)));
  if (code !== 0) row.problems.push(`exit code ${code}: ${stderr.trim().slice(-1000)}`);
  return row;
}

/** The first version number in what a program says of itself. */
export async function versionOf(command, env = {}) {
  const { code, stdout, stderr } = await execute(command, ["--version"], { env, seconds: 30 });
  if (code !== 0) throw new Error(`${command} is missing: ${stderr.trim().slice(-300)}`);
  return /\d+(\.\d+)+|\d{4}-\d\d-\d\d/.exec(stdout)?.[0] ?? stdout.trim();
}

/** A table in Markdown. */
export function tableOf(rows) {
  const lines = [["runtime", "version", "kernels", "checks", "s"]];
  for (const { name, version, kernels, passed, problems, seconds } of rows) {
    const which = kernels.name === "wasm" ? `wasm, ${kernels.simd}` : kernels.name;
    const why = kernels.name === "reference" ? `: ${shorter(kernels.reason)}` : "";
    const checks = problems.length === 0 ? `${passed}` : `${passed}, ${problems.length} FAILED`;
    lines.push([name, version, which + why, checks, seconds.toFixed(1)]);
  }
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const text = lines.map(
    (line) => `| ${line.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`,
  );
  text.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return text.join("\n");
}

function shorter(reason) {
  return reason.replace("WebAssembly SIMD does not run here: ", "").slice(0, 60);
}
