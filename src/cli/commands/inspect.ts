/** `quantwise inspect`: what a checkpoint consists of. */

import { Command, Option } from "commander";
import { printable } from "../../foundation/errors.ts";
import { statisticsJson } from "../../metrics/statistics.ts";
import {
  type InspectedModel,
  type InspectedTensor,
  inspectModel,
  type MetadataValue,
} from "../../node/index.ts";
import { writeStdout } from "../../node/stdout.ts";
import { counted, formatCount, formatShare, formatSignificant } from "../figures.ts";
import { formatBytes } from "../format.ts";
import { Progress } from "../progress.ts";
import { MODEL_FORMS, TOKEN_FILE, tokenIn } from "../remote.ts";
import { type Column, terminalWidth, textTable } from "../table.ts";

interface Flags {
  readonly stats?: boolean;
  readonly config?: string;
  readonly tokenFile?: string;
  readonly kernels: "auto" | "wasm" | "reference";
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const EXAMPLES = `
Examples:
  quantwise inspect Llama-3.2-1B-nf4
  quantwise inspect model.safetensors --stats
  quantwise inspect model-q4_k_m.gguf
  quantwise inspect model --json | jq '.schemes'

Quantized weights (bitsandbytes, compressed-tensors, quantwise's own) are shown as one tensor each,
with the bytes of their scales. Without --stats, headers and quant states alone are read.`;

export function inspectCommand(signal: AbortSignal): Command {
  return new Command("inspect")
    .description("show a checkpoint's tensors, schemes and sizes, and how its weights are spread")
    .argument("<model>", `${MODEL_FORMS}, or a .gguf file`)
    .option("--stats", "read all weights: min, max, mean, std, kurtosis, outliers beyond 6 σ")
    .option("--config <file>", "config.json to use instead of the one beside the model")
    .option(...TOKEN_FILE)
    .addOption(
      new Option("--kernels <which>", "kernels to run on")
        .choices(["auto", "wasm", "reference"])
        .default("auto"),
    )
    .option("--json", "print as JSON")
    .option("--quiet", "no progress")
    .addHelpText("after", EXAMPLES)
    .action((model: string, flags: Flags) => run(model, flags, signal));
}

async function run(model: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const { tokenFile, json = false, quiet = false, stats = false, ...options } = flags;
  const token = await tokenIn(tokenFile, [model]);
  // A bar on a terminal; the table itself is what a log wants.
  const progress = new Progress(quiet || !stats || !process.stderr.isTTY);
  try {
    const found = await inspectModel(model, {
      ...options,
      ...token,
      stats,
      signal,
      onPlan: (plan) => progress.start({ ...plan, warnings: [] }),
      onBytes: (byteCount) => progress.advance(byteCount),
    });
    progress.stop();
    await writeStdout(Buffer.from(json ? jsonOf(found) : textOf(found, stats)));
  } finally {
    progress.stop();
  }
}

/** One line: the fields of `InspectedModel`, statistics with null for what is undefined. */
function jsonOf({ tensors, ...model }: InspectedModel): string {
  const rows = tensors.map(({ statistics, ...tensor }) => ({
    ...tensor,
    ...(statistics === undefined ? {} : { statistics: statisticsJson(statistics) }),
  }));
  return `${JSON.stringify({ ...model, tensors: rows })}\n`;
}

const TENSOR_COLUMNS: readonly Column[] = [
  { title: "tensor", align: "left", shrinks: true },
  { title: "shape", align: "left" },
  { title: "dtype", align: "left" },
  { title: "stored as", align: "left" },
  { title: "size", align: "right" },
  { title: "bits/weight", align: "right" },
];

/** Of a GGUF file. */
const KEY_COLUMNS: readonly Column[] = [
  { title: "key", align: "left" },
  { title: "value", align: "left", shrinks: true },
];

function shortValue(value: MetadataValue): string {
  if (typeof value !== "object") return printable(String(value)).replace(/\s+/g, " ");
  const shown = value.first.map((element) => printable(JSON.stringify(element))).join(", ");
  return `${formatCount(value.count)} ${value.elementType}: ${shown}${value.count > value.first.length ? ", …" : ""}`;
}

const STATISTICS_COLUMNS: readonly Column[] = [
  "min",
  "max",
  "mean",
  "std",
  "kurtosis",
  "> 6 σ",
  "NaN, ∞",
].map((title) => ({ title, align: "right" }));

const SCHEME_COLUMNS: readonly Column[] = [
  { title: "stored as", align: "left" },
  { title: "layout", align: "left" },
  { title: "tensors", align: "right" },
  { title: "weights", align: "right" },
  { title: "size", align: "right" },
  { title: "bits/weight", align: "right" },
];

function textOf({ tensors, schemes, files, ...all }: InspectedModel, stats: boolean): string {
  const width = { width: terminalWidth(process.stdout) };
  const columns = stats ? [...TENSOR_COLUMNS, ...STATISTICS_COLUMNS] : TENSOR_COLUMNS;
  const rows = tensors.map((tensor) => [
    tensor.name,
    `[${tensor.shape.join(", ")}]`,
    tensor.dtype,
    tensor.layout === undefined ? "" : tensor.storedAs,
    formatBytes(tensor.bytes),
    tensor.bitsPerWeight.toFixed(3),
    ...(stats ? statisticsCells(tensor) : []),
  ]);
  const schemeRows = schemes.map(({ storedAs, layout, tensors: count, elements, bytes }) => [
    storedAs,
    layout ?? "plain",
    formatCount(count),
    formatCount(elements),
    formatBytes(bytes),
    (elements > 0 ? (bytes * 8) / elements : 0).toFixed(3),
  ]);
  const { elements, bytes, bitsPerWeight, metadata = {} } = all;
  const keyRows = Object.entries(metadata).map(([key, value]) => [key, shortValue(value)]);
  return [
    ...(keyRows.length > 0 ? [textTable(KEY_COLUMNS, keyRows, width), "\n"] : []),
    textTable(columns, rows, width),
    "\n",
    textTable(SCHEME_COLUMNS, schemeRows, width),
    `\n${counted(files.length, "file")}, ${counted(tensors.length, "tensor")}, ${counted(elements, "weight")}, ` +
      `${formatBytes(bytes)} (${bytes} bytes), ${bitsPerWeight.toFixed(3)} bits per weight\n`,
  ].join("");
}

function statisticsCells({ statistics }: InspectedTensor): string[] {
  if (statistics === undefined) return [];
  const { min, max, mean, std, excessKurtosis, outliers, nonFinite, elements } = statistics;
  const cell = (value: number | undefined) =>
    value === undefined ? "–" : formatSignificant(value);
  return [
    cell(min),
    cell(max),
    cell(mean),
    cell(std),
    cell(excessKurtosis),
    outliers === undefined || elements === 0 ? "–" : formatShare(outliers / elements),
    formatCount(nonFinite),
  ];
}
