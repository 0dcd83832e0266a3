/** `quantwise dequantize`: a quantized checkpoint back into a plain one. */

import { Command, Option } from "commander";
import { DEFAULT_MAX_SHARD_BYTES, parseByteCount } from "../../checkpoint/shards.ts";
import { FLOAT_DTYPES } from "../../foundation/dtype.ts";
import { printable } from "../../foundation/errors.ts";
import {
  type DequantizeModelOptions,
  type DequantizeModelResult,
  dequantizeModel,
} from "../../node/index.ts";
import { writeStdout } from "../../node/stdout.ts";
import { isGgufPath } from "../../web/model-place.ts";
import { checked } from "../arguments.ts";
import { formatBytes, formatSeconds } from "../format.ts";
import { Progress } from "../progress.ts";
import { MODEL_FORMS, publicModelName, TOKEN_FILE, tokenIn } from "../remote.ts";
import { dequantizeToGguf } from "./quantize-gguf.ts";

interface Flags
  extends Pick<
    DequantizeModelOptions,
    "dtype" | "config" | "maxShardSize" | "kernels" | "overwrite" | "dryRun"
  > {
  readonly output: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const EXAMPLES = `
Examples:
  quantwise dequantize Llama-3.2-1B-nf4 -o Llama-3.2-1B-back
  quantwise dequantize model-int4.safetensors -o plain.safetensors --dtype float16
  quantwise dequantize model-q8_0.gguf -o model-f16.gguf --dtype float16

Reads what bitsandbytes (NF4, FP4, LLM.int8), compressed-tensors (pack-quantized) and quantwise
write. Tensors that are not quantized are copied as they are, whatever --dtype says.`;

export function dequantizeCommand(signal: AbortSignal): Command {
  return new Command("dequantize")
    .description("expand a quantized checkpoint into a plain one that any loader takes")
    .argument("<model>", MODEL_FORMS)
    .requiredOption(
      "-o, --output <out>",
      "a .safetensors file, or .gguf for a GGUF model; else a directory",
    )
    .addOption(
      new Option("--dtype <dtype>", "of the expanded weights (default: their own)").choices(
        FLOAT_DTYPES,
      ),
    )
    .option("--config <file>", "config.json to use instead of the one beside the model")
    .option(...TOKEN_FILE)
    .addOption(
      new Option("--max-shard-size <size>", "bytes of a shard, such as 5GB or 500MiB")
        .argParser((text) => checked(() => parseByteCount(text, "max-shard-size")))
        .default(DEFAULT_MAX_SHARD_BYTES, "5GB"),
    )
    .addOption(
      new Option("--kernels <which>", "kernels to run on")
        .choices(["auto", "wasm", "reference"])
        .default("auto"),
    )
    .option("--overwrite", "replace an existing output")
    .option("--dry-run", "plan and tell the size; create nothing")
    .option("--json", "print the summary as JSON")
    .option("--quiet", "no progress and no summary; errors only")
    .addHelpText("after", EXAMPLES)
    .action((model: string, flags: Flags, command: Command) => {
      if (!isGgufPath(model) && !isGgufPath(flags.output)) return run(model, flags, signal);
      return dequantizeToGguf(model, flags, (flag) => command.getOptionValueSource(flag), signal);
    });
}

async function run(model: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const { output, tokenFile, json = false, quiet = false, ...options } = flags;
  const token = await tokenIn(tokenFile, [model]);
  const progress = new Progress(quiet || options.dryRun === true);
  const started = performance.now();
  try {
    const result = await dequantizeModel(model, output, {
      ...options,
      ...token,
      signal,
      onPlan: (plan) => progress.start(plan),
      onBytes: (byteCount) => progress.advance(byteCount),
      onTensor: ({ name, shape, dtype, quantType = "copied" }) =>
        progress.step(name, `[${shape.join(", ")}]: ${quantType} -> ${dtype}`),
    });
    progress.stop();
    const seconds = (performance.now() - started) / 1000;
    const job = { input: publicModelName(model), output, seconds };
    const text = json ? `${JSON.stringify({ ...job, ...result })}\n` : summary(result, job);
    if (json || !quiet || result.dryRun) await writeStdout(Buffer.from(text));
  } finally {
    progress.stop();
  }
}

function summary(
  result: DequantizeModelResult,
  { output, seconds }: { readonly output: string; readonly seconds: number },
): string {
  const { dryRun, bytesBefore, bytesAfter, expanded, copied, files, kernels } = result;
  const lines = [
    `${dryRun ? "would write" : "wrote"} ${printable(output)}: ${formatBytes(bytesBefore)} -> ` +
      `${formatBytes(bytesAfter)} (${bytesAfter} bytes)`,
    `  tensors   ${expanded} expanded, ${copied} copied`,
  ];
  if (files.length > 1) lines.push(`  shards    ${files.length}`);
  if (!dryRun) {
    const rate = formatBytes(bytesAfter / Math.max(seconds, 1e-3));
    lines.push(`  time      ${formatSeconds(seconds)}, ${rate}/s on ${kernels.name} kernels`);
  }
  return `${lines.join("\n")}\n`;
}
