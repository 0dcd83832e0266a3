/** `quantwise verify <out>`: whether a quantized model is whole, and what its original gives. */

import { Command, Option } from "commander";
import { printable } from "../../foundation/errors.ts";
import { type FoundProblem, type VerifiedModel, verifyModel } from "../../node/index.ts";
import { writeStdout } from "../../node/stdout.ts";
import { counted } from "../figures.ts";
import { Progress } from "../progress.ts";
import { MODEL_FORMS, publicModelName, TOKEN_FILE, tokenIn } from "../remote.ts";

interface Flags {
  readonly against?: string;
  readonly config?: string;
  readonly tokenFile?: string;
  readonly kernels: "auto" | "wasm" | "reference";
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const EXAMPLES = `
Examples:
  quantwise verify Llama-3.2-1B-nf4
  quantwise verify Llama-3.2-1B-nf4 --against Llama-3.2-1B
  quantwise verify out.safetensors --json | jq '.problems'

Looks at headers, index, shapes, alignment, quant states, scales and every decoded weight, and at
SHA256SUMS where it is there (quantize --sha256sums writes it). With --against, the original is
quantized again with the options that the output tells, and compared byte by byte.
Exit code 1: something is wrong.`;

export function verifyCommand(signal: AbortSignal): Command {
  return new Command("verify")
    .description("check that a quantized checkpoint is whole, and what its original gives")
    .argument("<model>", MODEL_FORMS)
    .option("--against <original>", "the model that it was made from: quantize again and compare")
    .option("--config <file>", "config.json to use instead of the one beside the model")
    .option(...TOKEN_FILE)
    .addOption(
      new Option("--kernels <which>", "kernels to run on")
        .choices(["auto", "wasm", "reference"])
        .default("auto"),
    )
    .option("--json", "print as JSON")
    .option("--quiet", "no progress, and nothing when all is well")
    .addHelpText("after", EXAMPLES)
    .action((model: string, flags: Flags) => run(model, flags, signal));
}

async function run(model: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const { tokenFile, json = false, quiet = false, ...options } = flags;
  const { against } = options;
  const token = await tokenIn(tokenFile, against === undefined ? [model] : [model, against]);
  // A bar on a terminal; a log wants what was found.
  const progress = new Progress(quiet || !process.stderr.isTTY);
  try {
    const found = await verifyModel(model, {
      ...options,
      ...token,
      signal,
      onPlan: ({ tensors, elements }) => progress.start({ tensors, bytes: elements, warnings: [] }),
      onElements: (elementCount) => progress.advance(elementCount),
    });
    progress.stop();
    const name = publicModelName(model);
    if (json) await writeStdout(Buffer.from(`${JSON.stringify({ model: name, ...found })}\n`));
    else if (!quiet || !found.ok) await writeStdout(Buffer.from(textOf(name, found)));
    if (!found.ok) process.exitCode = 1;
  } finally {
    progress.stop();
  }
}

function textOf(name: string, found: VerifiedModel): string {
  const { ok, problems, tensors, quantized, checksums, compared } = found;
  const looked = [
    `${counted(tensors, "tensor")}, ${quantized} quantized`,
    ...(checksums > 0 ? [`${counted(checksums, "checksum")}`] : []),
    ...(compared > 0 ? [`${counted(compared, "tensor")} compared with the original`] : []),
  ].join("; ");
  const verdict = ok ? "all is well" : counted(problems.length, "problem");
  return `${problems.map(lineOf).join("")}${printable(name)}: ${verdict} (${looked})\n`;
}

function lineOf({ file, tensor, problem }: FoundProblem): string {
  const place = [file, tensor && `tensor "${tensor}"`].filter((part) => part !== undefined);
  return `${printable(place.join(", "))}${place.length > 0 ? ": " : ""}${printable(problem)}\n`;
}
