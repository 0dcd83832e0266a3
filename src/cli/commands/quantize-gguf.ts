/** `quantize` and `dequantize` where the output is GGUF. */

import { ArgumentError, printable } from "../../foundation/errors.ts";
import type { GgufTensorReport } from "../../gguf/convert.ts";
import { FILE_TYPES, type GgufFileType, NEEDS_IMPORTANCE } from "../../gguf/file-types.ts";
import type { GgufJobResult } from "../../gguf/job.ts";
import { parseGgufRule } from "../../gguf/rules.ts";
import type { KernelChoice } from "../../kernels/kernel-set.ts";
import { dequantizeGguf, type GgufOutputOptions, quantizeGguf } from "../../node/index.ts";
import { writeStdout } from "../../node/stdout.ts";
import { isGgufPath } from "../../web/model-place.ts";
import { optionName } from "../arguments.ts";
import { formatBytes, formatSeconds } from "../format.ts";
import { Progress } from "../progress.ts";
import { publicModelName, tokenIn } from "../remote.ts";

/** What both commands have. */
interface CommonFlags {
  readonly output: string;
  readonly tokenFile?: string;
  readonly kernels?: KernelChoice;
  readonly overwrite?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

interface QuantizeFlags extends CommonFlags {
  readonly quantType: string;
  readonly rule?: readonly string[];
  readonly exclude?: readonly string[];
  readonly pure?: boolean;
  readonly allowRequantize?: boolean;
  readonly config?: string;
  readonly metadataFrom?: string;
  readonly tokenizerPre?: string;
}

interface DequantizeFlags extends CommonFlags {
  readonly dtype?: "float32" | "float16" | "bfloat16";
}

/** Where commander has an option's value from: "cli" when it was typed. */
type SourceOf = (flag: string) => string | undefined;

/** Options of other outputs, by commander's names. */
const OTHER_FLAGS = [
  ...["blockSize", "groupSize", "doubleQuant", "granularity", "axis", "symmetric", "format"],
  ...["quantStorage", "mode", "computeDtype", "include", "maxShardSize"],
  ...["maxTensorBytes", "threads", "allowNonFinite", "resume", "syncBytes", "sha256sums"],
] as const;

/** Whether the type is one of GGUF's, also of those that cannot be made yet. */
export function isGgufType(quantType: string): boolean {
  return quantType in FILE_TYPES || NEEDS_IMPORTANCE.includes(quantType);
}

/** @throws ArgumentError for options that mean nothing in GGUF */
function refuseOtherFlags(sourceOf: SourceOf): void {
  for (const flag of OTHER_FLAGS) {
    if (sourceOf(flag) !== "cli") continue;
    refuse(flag, "GGUF, where the type says it all");
  }
}

function refuse(flag: string, what: string): never {
  const option = optionName(flag);
  throw new ArgumentError(option, `no such option for ${what}`, `--${option}`);
}

export async function quantizeToGguf(
  model: string,
  flags: QuantizeFlags,
  sourceOf: SourceOf,
  signal: AbortSignal,
): Promise<void> {
  refuseOtherFlags(sourceOf);
  const isCheckpoint = model !== "-" && !isGgufPath(model);
  for (const flag of ["config", "metadataFrom", "tokenizerPre"] as const) {
    if (flags[flag] !== undefined && !isCheckpoint) refuse(flag, "a GGUF model, which has its own");
  }
  if (sourceOf("quantType") !== "cli") {
    const types = Object.keys(FILE_TYPES).join(", ");
    throw new ArgumentError("quant-type", `one of ${types} for GGUF`, undefined);
  }
  const { rule = [], exclude, pure, allowRequantize, config, metadataFrom, tokenizerPre } = flags;
  const fileType = flags.quantType as GgufFileType;
  const rules = rule.map(parseGgufRule);
  const options = {
    ...{ fileType, rules, exclude, pure, allowRequantize },
    ...{ config, metadataFrom, tokenizerPre },
  };
  await run(model, flags, signal, (common) =>
    quantizeGguf(model, flags.output, { ...common, ...options }),
  );
}

const FILE_TYPE_OF = { float32: "f32", float16: "f16", bfloat16: "bf16" } as const;

export async function dequantizeToGguf(
  model: string,
  flags: DequantizeFlags,
  sourceOf: SourceOf,
  signal: AbortSignal,
): Promise<void> {
  refuseOtherFlags(sourceOf);
  if (!isGgufPath(model)) {
    const allowed = "a .gguf file; a checkpoint becomes GGUF by quantize --quant-type f16";
    throw new ArgumentError("model", allowed, publicModelName(model));
  }
  const fileType = FILE_TYPE_OF[flags.dtype ?? "float16"];
  await run(model, flags, signal, (common) =>
    dequantizeGguf(model, flags.output, { ...common, fileType }),
  );
}

async function run(
  model: string,
  { output, tokenFile, kernels, overwrite, ...flags }: CommonFlags,
  signal: AbortSignal,
  convert: (options: GgufOutputOptions) => Promise<GgufJobResult>,
): Promise<void> {
  const { json = false, quiet = false, dryRun = false } = flags;
  const token = await tokenIn(tokenFile, [model]);
  const toStdout = output === "-";
  // JSON on standard error must stand alone there.
  const progress = new Progress(quiet || dryRun || (json && toStdout));
  const started = performance.now();
  try {
    const result = await convert({
      ...token,
      ...{ kernels, overwrite, dryRun, signal },
      onPlan: (plan) => {
        if (!json) for (const warning of plan.warnings) progress.warn(warning);
        progress.start(plan);
      },
      onBytes: (byteCount) => progress.advance(byteCount),
      onTensor: (report) => progress.step(report.name, change(report)),
    });
    progress.stop();
    const seconds = (performance.now() - started) / 1000;
    const job = { input: publicModelName(model), output, seconds };
    const text = json ? `${JSON.stringify({ ...job, ...result })}\n` : summary(result, job);
    if (!json && !dryRun && quiet) return;
    if (toStdout) process.stderr.write(text);
    else await writeStdout(Buffer.from(text));
  } finally {
    progress.stop();
  }
}

function change({ dimensions, from, to, bytesBefore, bytesAfter }: GgufTensorReport): string {
  const shape = `[${[...dimensions].reverse().join(", ")}]`;
  if (from === to) return `${from} ${shape}: copied, ${formatBytes(bytesBefore)}`;
  return `${from} ${shape}: ${to}, ${formatBytes(bytesBefore)} -> ${formatBytes(bytesAfter)}`;
}

function summary(
  result: GgufJobResult,
  { output, seconds }: { readonly output: string; readonly seconds: number },
): string {
  const { bytesBefore, bytesAfter, dryRun, types, recoded, elements, kernels } = result;
  const kinds = Object.entries(types).map(([type, count]) => `${count} ${type}`);
  const tensors = Object.values(types).reduce((sum, count) => sum + count, 0);
  const lines = [
    `${dryRun ? "would write" : "wrote"} ${printable(output)}: ${formatBytes(bytesBefore)} -> ` +
      `${formatBytes(bytesAfter)} (${bytesAfter} bytes), ${(bytesBefore / bytesAfter).toFixed(2)} times smaller`,
    `  tensors   ${recoded} converted, ${tensors - recoded} copied: ${kinds.join(", ")}`,
  ];
  if (elements > 0) {
    const all = ((bytesAfter * 8) / elements).toFixed(3);
    const { recodedElements, recodedBytesAfter } = result;
    const converted =
      recodedElements > 0 ? ((recodedBytesAfter * 8) / recodedElements).toFixed(3) : "–";
    lines.push(`  bits      ${converted} per converted weight, ${all} over all`);
  }
  if (!dryRun) {
    const rate = formatBytes(bytesBefore / Math.max(seconds, 1e-3));
    lines.push(`  time      ${formatSeconds(seconds)}, ${rate}/s on ${kernels.name} kernels`);
  }
  return `${lines.join("\n")}\n`;
}
