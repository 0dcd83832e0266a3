/** `quantwise quantize <model> -o <out>`. */

import { Command, InvalidArgumentError, Option } from "commander";
import { LAYOUT_NAMES } from "../../checkpoint/layouts/registry.ts";
import { MAX_TENSOR_BYTES } from "../../checkpoint/quantize-stream.ts";
import { parseRule } from "../../checkpoint/rules.ts";
import { DEFAULT_MAX_SHARD_BYTES, parseByteCount } from "../../checkpoint/shards.ts";
import { FLOAT_DTYPES } from "../../foundation/dtype.ts";
import { ArgumentError, printable } from "../../foundation/errors.ts";
import { GGUF_FILE_TYPES, type GgufFileType, NEEDS_IMPORTANCE } from "../../gguf/file-types.ts";
import { parseGgufRule } from "../../gguf/rules.ts";
import { outputKindOf, type QuantizeModelOptions, quantizeModel } from "../../node/index.ts";
import { writeStdout } from "../../node/stdout.ts";
import { QUANT_TYPES, type QuantType } from "../../schemes/registry.ts";
import { GRANULARITIES, QUANT_STORAGES } from "../../tensor/options.ts";
import { isGgufPath } from "../../web/model-place.ts";
import { checked, collect, integer, optionName, wholeNumber } from "../arguments.ts";
import { KeptError } from "../kept.ts";
import { Progress } from "../progress.ts";
import { MODEL_FORMS, publicModelName, TOKEN_FILE, tokenIn } from "../remote.ts";
import { jsonSummary, textSummary } from "../summary.ts";
import { isGgufType, quantizeToGguf } from "./quantize-gguf.ts";

/** What commander makes of the flags. */
interface Flags {
  readonly output: string;
  readonly quantType: NonNullable<QuantizeModelOptions["quantType"]> | GgufFileType;
  readonly blockSize?: number;
  readonly groupSize?: number;
  readonly granularity?: NonNullable<QuantizeModelOptions["granularity"]>;
  readonly axis?: number;
  readonly symmetric?: boolean;
  readonly doubleQuant?: boolean;
  readonly format?: NonNullable<QuantizeModelOptions["format"]>;
  readonly quantStorage: NonNullable<QuantizeModelOptions["quantStorage"]>;
  readonly mode: NonNullable<QuantizeModelOptions["mode"]>;
  readonly computeDtype?: NonNullable<QuantizeModelOptions["computeDtype"]>;
  readonly config?: string;
  readonly tokenFile?: string;
  readonly exclude?: readonly string[];
  readonly rule?: readonly string[];
  readonly include?: readonly string[];
  readonly maxShardSize: number;
  readonly kernels: NonNullable<QuantizeModelOptions["kernels"]>;
  readonly maxTensorBytes: number;
  readonly threads?: number;
  readonly resume?: boolean;
  readonly sha256sums?: boolean;
  readonly syncBytes?: number;
  readonly overwrite?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly allowNonFinite?: boolean;
  readonly pure?: boolean;
  readonly allowRequantize?: boolean;
  readonly metadataFrom?: string;
  readonly tokenizerPre?: string;
}

const EXAMPLES = `
Examples:
  quantwise quantize Llama-3.2-1B -o Llama-3.2-1B-nf4
  quantwise quantize model.safetensors -o model-fp4.safetensors --quant-type fp4
  quantwise quantize model -o out --exclude '**.mlp.**' --rule 'model.layers.0.**=copy'
  quantwise quantize model -o out --dry-run
  quantwise quantize hf:org/name -o out --resume
  quantwise quantize https://example.com/model.safetensors -o out.safetensors
  cat model.safetensors | quantwise quantize - -o - > quantized.safetensors
  quantwise quantize model-f16.gguf -o model-q4_k_m.gguf --quant-type q4_k_m
  quantwise quantize Qwen3-0.6B -o qwen3-q8_0.gguf --quant-type q8_0

In a glob "." separates segments, "*" stays inside one, "**" crosses. Of --exclude, --rule,
--include and the defaults, in that order, the first match decides.`;

export function quantizeCommand(signal: AbortSignal): Command {
  return new Command("quantize")
    .description(
      "quantize a checkpoint into one that transformers, vLLM, llama.cpp or quantwise load",
    )
    .argument("<model>", `${MODEL_FORMS}, a .gguf file, or - for standard input`)
    .requiredOption(
      "-o, --output <out>",
      "a .safetensors or .gguf file, - for standard output, else a directory",
    )
    .addOption(
      new Option("--quant-type <type>", "what selected tensors become, or the file if it is GGUF")
        .choices(ALL_TYPES)
        .argParser(quantType)
        .default("nf4"),
    )
    .addOption(
      new Option(
        "--block-size <n>",
        "elements that share a scale, 32 to 4096 (default: 64, or what the type prescribes)",
      ).argParser(wholeNumber),
    )
    .addOption(new Option("--group-size <n>").argParser(wholeNumber).hideHelp())
    .option("--double-quant", "code the scales in 8 bits too (default at 4 bits)")
    .option("--no-double-quant", "keep the scales in float32")
    .addOption(
      new Option(
        "--granularity <which>",
        "what shares a scale, for int4 … uint8 and fp8 (default: block; tensor for fp8)",
      ).choices(GRANULARITIES),
    )
    .addOption(
      new Option("--axis <n>", "the axis of the channels, -1 the last (default: 0)").argParser(
        integer,
      ),
    )
    .option("--symmetric", "int8 and int4 without zero points")
    .option("--no-symmetric", "int8 and int4 with zero points")
    .addOption(
      new Option(
        "--format <name>",
        "form of the output (default: bitsandbytes for nf4, fp4, llm-int8; else native)",
      ).choices(LAYOUT_NAMES),
    )
    .addOption(
      new Option("--quant-storage <dtype>", "dtype that packed weights are declared as")
        .choices(QUANT_STORAGES)
        .default("uint8"),
    )
    .addOption(
      new Option("--mode <mode>", "whose bits: bitsandbytes' default backend or its CUDA kernels")
        .choices(["torch", "cuda"])
        .default("torch"),
    )
    .addOption(
      new Option(
        "--compute-dtype <dtype>",
        "dtype of products, noted in config.json (default: the checkpoint's own)",
      ).choices(FLOAT_DTYPES),
    )
    .option("--config <file>", "config.json to use instead of the one beside the model")
    .option(...TOKEN_FILE)
    .option("--exclude <glob>", "leave these tensors as they are (repeatable)", collect)
    .option(
      "--rule <glob=type>",
      "give these tensors another quant type, or copy (repeatable)",
      (text: string, rules: readonly string[] = []) => [...rules, checked(() => ruleText(text))],
    )
    .option(
      "--include <glob>",
      "quantize these matrices instead of the linear layers (repeatable)",
      collect,
    )
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
    .addOption(
      new Option(
        "--max-tensor-bytes <size>",
        "largest tensor that a stream may hold in memory, where it must be read twice or transposed",
      )
        .argParser((text) => checked(() => parseByteCount(text, "max-tensor-bytes")))
        .default(MAX_TENSOR_BYTES, "256MiB"),
    )
    .addOption(
      new Option(
        "--threads <n>",
        "threads that compute, files in and files out (default: the cores from 512 MB on)",
      ).argParser(wholeNumber),
    )
    .option("--resume", "go on where a run that was killed or failed has ended; or begin one")
    .addOption(
      new Option("--sync-bytes <size>", "bytes after which progress is recorded for --resume")
        .argParser((text) => checked(() => parseByteCount(text, "sync-bytes")))
        .hideHelp(),
    )
    .option("--sha256sums", "write SHA256SUMS into the output directory too")
    .option(
      "--metadata-from <file>",
      "GGUF of a checkpoint: keys of another file of the same model",
    )
    .option(
      "--tokenizer-pre <name>",
      "GGUF of a checkpoint: tokenizer.ggml.pre, if it is not known",
    )
    .option("--pure", "GGUF: one type for all weights, not llama-quantize's mixture")
    .option("--allow-requantize", "GGUF: quantize what is quantized already, and lose twice")
    .option("--overwrite", "replace an existing output")
    .option("--dry-run", "plan and tell the size; create nothing")
    .option("--json", "print the summary as JSON")
    .option("--quiet", "no progress and no summary; warnings and errors only")
    .option("--allow-non-finite", "let NaN and infinity in weights through")
    .addHelpText("after", EXAMPLES)
    .action((model: string, flags: Flags, command: Command) => {
      if (!isGgufJob(model, flags)) return run(model, flags, signal);
      return quantizeToGguf(model, flags, (flag) => command.getOptionValueSource(flag), signal);
    });
}

const ALL_TYPES: readonly string[] = [...QUANT_TYPES, ...GGUF_FILE_TYPES];

/** GGUF's types in any case. Those that cannot be made yet are told of later, with the reason. */
function quantType(text: string): string {
  const known = [...ALL_TYPES, ...NEEDS_IMPORTANCE];
  const found = known.find((name) => name === text || name === text.toLowerCase());
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`Allowed choices are ${ALL_TYPES.join(", ")}.`);
}

/** Checks a rule before it is known which kind of output it is for. */
function ruleText(text: string): string {
  try {
    parseGgufRule(text);
  } catch {
    parseRule(text);
  }
  return text;
}

/** Whether the output is GGUF, by its name, the input's, or the type. */
function isGgufJob(model: string, { output, quantType }: Flags): boolean {
  return isGgufPath(output) || (isGgufPath(model) && output === "-") || isGgufType(quantType);
}

async function run(model: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const {
    output,
    tokenFile,
    quantType,
    rule,
    groupSize,
    pure,
    allowRequantize,
    metadataFrom,
    tokenizerPre,
    json = false,
    quiet = false,
    dryRun = false,
    ...options
  } = flags;
  const ggufFlags = { pure, allowRequantize, metadataFrom, tokenizerPre };
  const flag = Object.entries(ggufFlags).find(([, value]) => value !== undefined)?.[0];
  if (flag !== undefined) {
    throw new ArgumentError(optionName(flag), "an output that ends in .gguf", output);
  }
  if (isGgufPath(model)) {
    throw new ArgumentError("output", "a .gguf file for a GGUF model", output);
  }
  const token = await tokenIn(tokenFile, [model]);
  const blockSize = options.blockSize ?? groupSize;
  const toStdout = outputKindOf(output) === "stdout";
  // JSON on standard error must stand alone there.
  const progress = new Progress(quiet || dryRun || (json && toStdout));
  const started = performance.now();
  let kept: string | undefined;
  try {
    const result = await quantizeModel(model, output, {
      ...options,
      ...token,
      quantType: quantType as QuantType,
      dryRun,
      ...(blockSize === undefined ? {} : { blockSize }),
      ...(rule === undefined ? {} : { rules: rule.map(parseRule) }),
      signal,
      onPlan: (plan) => {
        if (!json) for (const warning of plan.warnings) progress.warn(warning);
        progress.start(plan);
      },
      onBytes: (byteCount) => progress.advance(byteCount),
      onTensor: (report) => progress.tensor(report),
      onEarlier: (report) => progress.earlier(report),
      onKept: (path) => {
        kept = path;
      },
      onLeftover: (path) =>
        progress.warn(
          `an earlier run has left its work in ${printable(path)}; --resume goes on from there, ` +
            "and this run begins anew",
        ),
    });
    progress.stop();
    const job = {
      input: publicModelName(model),
      output,
      seconds: (performance.now() - started) / 1000,
    };
    const text = json ? jsonSummary(result, job) : textSummary(result, job);
    // A quiet job says nothing but what was asked for.
    if (!json && !dryRun && quiet) return;
    if (toStdout) process.stderr.write(text);
    else await writeStdout(Buffer.from(text));
  } catch (error) {
    throw kept === undefined ? error : new KeptError(error, kept);
  } finally {
    progress.stop();
  }
}
