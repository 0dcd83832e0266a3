/**
 * `quantwise plan <model | count>`.
 *
 * With `--json` one line, a `ModelTable` or a `CountTable` (src/checkpoint/size-table) and the input:
 *
 *   {"input": "7B", "kind": "count" | "model",
 *    "rows": [{"scheme": "nf4", "options": {…}, "coding": {…}, "format": "native",
 *              "quantizedWeights": n, "keptWeights": n,
 *              "codeBytes": n, "metadataBytes": n, "keptBytes": n, "headerBytes": n, "totalBytes": n,
 *              "slackBytes": n, "bitsPerWeight": x | null, "bitsPerWeightOverall": x | null,
 *              "ratio": x | null, "warnings": […]}, …],          largest first
 *    "refused": [{"scheme": "nf4", "options": {…}, "reason": "…"}, …],
 *    "notes": ["…", …],
 *
 *    kind "count":  "parameters": n, "columns": n, "assumptions": ["…", …],
 *                   "wholeModel": null | {"name", "parameters", "shape", and all of kind "model"}
 *    kind "model":  "source": a row, "tensors": n, "quantizedTensors": n}
 *
 * `options` are those of `quantize`, by their names in the library; null for weights in float. The
 * total is codes + metadata + kept + header. Bytes are exact, but for `slackBytes`, by which double
 * quantized nf4 and fp4 of a model may turn out smaller.
 */

import { Command, Option } from "commander";
import { LAYOUT_NAMES } from "../../checkpoint/layouts/registry.ts";
import { parseRule, type Rule } from "../../checkpoint/rules.ts";
import { parseByteCount } from "../../checkpoint/shards.ts";
import { type PlanSizesOptions, planSizes } from "../../node/index.ts";
import { writeStdout } from "../../node/stdout.ts";
import { QUANT_TYPES, type QuantType } from "../../schemes/registry.ts";
import { GRANULARITIES, oneOf } from "../../tensor/options.ts";
import { checked, collect, wholeNumber } from "../arguments.ts";
import { planText } from "../plan-text.ts";
import { MODEL_FORMS, publicModelName, TOKEN_FILE, tokenIn } from "../remote.ts";

/** What commander makes of the flags. */
interface Flags extends Omit<PlanSizesOptions, "quantTypes" | "rules" | "signal" | "token"> {
  readonly quantType?: readonly QuantType[];
  readonly rule?: readonly Rule[];
  readonly groupSize?: number;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  quantwise plan 7B --block-size 64
  quantwise plan Llama-3.2-1B
  quantwise plan model.safetensors --quant-type nf4 --quant-type int4 --exclude '**.mlp.**'

Of a model, every row is what quantize would write with these options, by its header alone. Of a
count, every assumption is named below the table. A path that exists goes before a count.`;

export function planCommand(signal: AbortSignal): Command {
  return new Command("plan")
    .description("tell what a model, or a number of weights, weighs in every scheme")
    .argument("<model>", `${MODEL_FORMS}; or a parameter count such as 7B, 350M, 7e9`)
    .option(
      "--quant-type <type>",
      "only rows of this type (repeatable)",
      (text: string, types: readonly QuantType[] = []) => [
        ...types,
        checked(() => oneOf("quant-type", QUANT_TYPES, text)),
      ],
    )
    .addOption(
      new Option(
        "--block-size <n>",
        "elements that share a scale (default: 64, or what the type prescribes)",
      ).argParser(wholeNumber),
    )
    .addOption(new Option("--group-size <n>").argParser(wholeNumber).hideHelp())
    .option("--double-quant", "only with scales in 8 bits, where there is such a form")
    .option("--no-double-quant", "only with scales in full")
    .addOption(
      new Option(
        "--granularity <which>",
        "only this, of what shares a scale in int4 … uint8 and fp8",
      ).choices(GRANULARITIES),
    )
    .option("--symmetric", "int8 and int4 without zero points")
    .option("--no-symmetric", "int8 and int4 with zero points")
    .option("--columns <n>", "of a count: weights in a row (default: 4096)", wholeNumber)
    .addOption(
      new Option("--format <name>", "of a model: only forms of this output").choices(LAYOUT_NAMES),
    )
    .option("--config <file>", "of a model: config.json to use instead of the one beside it")
    .option(...TOKEN_FILE)
    .option("--exclude <glob>", "of a model: leave these tensors as they are (repeatable)", collect)
    .option(
      "--rule <glob=type>",
      "of a model: give these tensors another quant type, or copy (repeatable)",
      (text: string, rules: readonly Rule[] = []) => [...rules, checked(() => parseRule(text))],
    )
    .option(
      "--include <glob>",
      "of a model: quantize these matrices instead of the linear layers (repeatable)",
      collect,
    )
    .addOption(
      new Option(
        "--max-shard-size <size>",
        "of a directory: bytes of a shard (default: 5GB)",
      ).argParser((text) => checked(() => parseByteCount(text, "max-shard-size"))),
    )
    .option("--json", "print the table as JSON, in bytes")
    .addHelpText("after", EXAMPLES)
    .action((input: string, flags: Flags) => run(input, flags, signal));
}

async function run(input: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const { quantType, rule, groupSize, tokenFile, json = false, ...options } = flags;
  const token = await tokenIn(tokenFile, [input]);
  const blockSize = options.blockSize ?? groupSize;
  const table = await planSizes(input, {
    ...options,
    ...token,
    signal,
    ...(quantType === undefined ? {} : { quantTypes: quantType }),
    ...(blockSize === undefined ? {} : { blockSize }),
    ...(rule === undefined ? {} : { rules: rule }),
  });
  const name = publicModelName(input);
  const text = json ? `${JSON.stringify({ input: name, ...table })}\n` : planText(name, table);
  await writeStdout(Buffer.from(text));
}
