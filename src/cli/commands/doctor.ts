/** `quantwise doctor`: what runs here, what does not, and what to do about it. */

import { Command } from "commander";
import { type Diagnosis, diagnose, type Trial } from "../../node/index.ts";
import { writeStdout } from "../../node/stdout.ts";
import { formatBytes } from "../format.ts";
import { onOneLine } from "../one-line.ts";

const EXAMPLES = `
Examples:
  quantwise doctor
  quantwise doctor --json | jq '.kernels'

Exits with 1 where quantizing itself does not work, else with 0. Tokens are never shown.`;

const QUANTIZING_FAILED = 1;

/** @param version the package's own */
export function doctorCommand(version: string): Command {
  return new Command("doctor")
    .description("tell which kernels, threads and devices run here, and what is missing")
    .option("--json", "print as JSON")
    .addHelpText("after", EXAMPLES)
    .action((flags: { readonly json?: boolean }) => run(version, flags.json ?? false));
}

/** With --json one line: a `Diagnosis` and the version. */
async function run(version: string, json: boolean): Promise<void> {
  const found = await diagnose();
  const text = json ? `${JSON.stringify({ version, ...found })}\n` : textOf(version, found);
  await writeStdout(Buffer.from(text));
  if (!found.quantize.works) process.exitCode = QUANTIZING_FAILED;
}

function textOf(version: string, found: Diagnosis): string {
  const { runtime, kernels, builds, quantize, threads, webgpu, memory, missing } = found;
  const limit = memory.limitBytes === null ? "" : `, limit ${formatBytes(memory.limitBytes)}`;
  const simd = kernels.simd === "none" ? "" : `, ${kernels.simd} SIMD`;
  const rows = [
    ["quantwise", version],
    ["runtime", `${runtime.name} ${runtime.version}, ${runtime.platform} ${runtime.architecture}`],
    ["kernels", `${kernels.name}${simd}: ${kernels.reason}`],
    ["  relaxed", wordsOf(builds.relaxed)],
    ["  baseline", wordsOf(builds.baseline)],
    ["quantizing", wordsOf(quantize)],
    ["threads", `${threads.cores} at once; ${wordsOf(threads)}`],
    ["WebGPU", wordsOf(webgpu)],
    ["Float16Array", found.float16Array ? "yes" : "no"],
    ["memory", `${formatBytes(memory.totalBytes)}${limit}`],
    ["Hub token", found.hubToken ? "in the environment" : "none"],
  ];
  const lines = rows.map(([name = "", value = ""]) => `${name.padEnd(14)}${onOneLine(value)}`);
  if (missing.length > 0) lines.push("", "Missing:");
  for (const { what, lost, remedy } of missing) {
    lines.push(`  ${what}`, `    lost:    ${onOneLine(lost)}`, `    to get:  ${remedy}`);
  }
  return `${lines.join("\n")}\n`;
}

function wordsOf({ works, reason }: Trial): string {
  return works ? reason : `no: ${reason}`;
}
