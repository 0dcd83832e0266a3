/** `quantwise compare`: how far a quantized model is from its original. */

import { rename, rm, writeFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { printable } from "../../foundation/errors.ts";
import { addComparisons } from "../../metrics/comparison.ts";
import {
  type ComparisonFigures,
  comparisonJson,
  figuresOf,
} from "../../metrics/comparison-figures.ts";
import { checkFileOutput } from "../../node/check-output.ts";
import {
  type ComparedReport,
  type CompareModelsOptions,
  compareModels,
  type ModelComparison,
} from "../../node/index.ts";
import { storageError } from "../../node/storage-error.ts";
import { collect, wholeNumber } from "../arguments.ts";
import { formatDecibels, formatShare, formatSignificant } from "../figures.ts";
import { formatBytes, formatSeconds } from "../format.ts";
import { Progress } from "../progress.ts";
import { compareReport } from "../report/compare-report.ts";
import { type Column, terminalWidth, textTable } from "../table.ts";

/** Set by the build. */
declare const QUANTWISE_VERSION: string;

interface Flags extends Pick<CompareModelsOptions, "config" | "kernels"> {
  readonly html?: string;
  readonly tensor?: readonly string[];
  readonly overwrite?: boolean;
  readonly limit: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const EXAMPLES = `
Examples:
  quantwise compare Llama-3.2-1B Llama-3.2-1B-nf4
  quantwise compare model.safetensors model-int4.safetensors --html report.html
  quantwise compare model quantized --json | jq '.tensors[0]'

Either model may be quantized, in any form that quantwise reads. Figures: rms is the error's RMS
relative to the weights' RMS; SQNR = 10 log10 of the energy of weights over that of errors;
saturated weights have an end code, clipped ones lie beyond what their scale can hold.`;

export function compareCommand(signal: AbortSignal): Command {
  return new Command("compare")
    .description("measure how far a quantized checkpoint is from its original")
    .argument("<original>", "a .safetensors file or a checkpoint directory")
    .argument("<quantized>", "a .safetensors file or a checkpoint directory")
    .option("--html <file>", "write a report with plots, one self-contained page")
    .option(
      "--tensor <name>",
      "draw this tensor's histogram in the report (repeatable; default: the worst)",
      collect,
    )
    .option("--overwrite", "replace an existing report")
    .addOption(
      new Option("--limit <n>", "tensors in the table, worst first; 0 for all")
        .argParser(wholeNumber)
        .default(20),
    )
    .option("--config <file>", "config.json to use instead of the one beside the original")
    .addOption(
      new Option("--kernels <which>", "kernels to run on")
        .choices(["auto", "wasm", "reference"])
        .default("auto"),
    )
    .option("--json", "print all figures as JSON")
    .option("--quiet", "no progress")
    .addHelpText("after", EXAMPLES)
    .action((original: string, quantized: string, flags: Flags) =>
      run(original, quantized, flags, signal),
    );
}

async function run(
  original: string,
  quantized: string,
  flags: Flags,
  signal: AbortSignal,
): Promise<void> {
  const { html, tensor, overwrite = false, limit, json = false, quiet = false, ...options } = flags;
  if (html !== undefined) await checkFileOutput(html, overwrite);
  const progress = new Progress(quiet || (json && !process.stderr.isTTY));
  const started = performance.now();
  try {
    const comparison = await compareModels(original, quantized, {
      ...options,
      details: html !== undefined,
      ...(tensor === undefined ? {} : { tensors: tensor }),
      signal,
      onPlan: ({ tensors, elements }) => progress.start({ tensors, bytes: elements * 4, warnings: [] }),
      onElements: (elements) => progress.advance(elements * 4),
      onTensor: ({ name, storedAs, sums }) =>
        progress.step(name, `${storedAs}: ${formatShare(figuresOf(sums).relativeRms)}`),
    });
    progress.stop();
    for (const warning of warningsOf(comparison)) progress.warn(warning);
    if (html !== undefined) {
      await writeReport(html, reportOf(comparison, original, quantized), overwrite);
    }
    if (json) {
      process.stdout.write(`${JSON.stringify(jsonOf(comparison, original, quantized))}\n`);
      return;
    }
    const seconds = (performance.now() - started) / 1000;
    process.stdout.write(textOf(comparison, limit, seconds));
    if (html !== undefined) process.stdout.write(`report: ${printable(html)}\n`);
  } finally {
    progress.stop();
  }
}

const COLUMNS: readonly Column[] = [
  { title: "tensor", align: "left", shrinks: true },
  { title: "stored as", align: "left" },
  { title: "rms", align: "right" },
  { title: "MSE", align: "right" },
  { title: "max error", align: "right" },
  { title: "SQNR", align: "right" },
  { title: "cosine", align: "right" },
  { title: "saturated", align: "right" },
  { title: "clipped", align: "right" },
];

function textOf({ tensors, ...model }: ModelComparison, limit: number, seconds: number): string {
  const changed = worstFirst(tensors.filter(isChanged));
  const shown = limit === 0 ? changed : changed.slice(0, limit);
  const totals = (list: readonly ComparedReport[]) =>
    figuresOf(addComparisons(list.map(({ sums }) => sums)));
  const quantized = tensors.filter(({ isQuantized }) => isQuantized);
  const rows = shown.map((tensor) => row(tensor.name, tensor.storedAs, figuresOf(tensor.sums)));
  if (quantized.length > 0)
    rows.push(row(`all ${quantized.length} quantized`, "", totals(quantized)));
  rows.push(row(`all ${tensors.length} compared`, "", totals(tensors)));
  const left = changed.length - shown.length;
  const equal = tensors.length - changed.length;
  const { originalBytes, quantizedBytes } = model;
  return [
    textTable(COLUMNS, rows, { width: terminalWidth(process.stdout) }),
    left > 0 ? `${left} more tensors differ; --limit 0 shows all\n` : "",
    equal > 0 ? `${equal} tensors are equal, bit for bit or in value\n` : "",
    `${formatBytes(originalBytes)} -> ${formatBytes(quantizedBytes)}, compared in ` +
      `${formatSeconds(seconds)}\n`,
  ].join("");
}

function row(name: string, storedAs: string, figures: ComparisonFigures): string[] {
  const { relativeRms, mse, largestError, sqnrDb, cosine, saturated, clipped } = figures;
  const share = (part: typeof saturated) =>
    part === undefined ? "–" : formatShare(part.count / part.elements);
  return [
    name,
    storedAs,
    formatShare(relativeRms),
    formatSignificant(mse),
    formatSignificant(largestError?.magnitude ?? 0),
    formatDecibels(sqnrDb),
    cosine.toFixed(6),
    share(saturated),
    share(clipped),
  ];
}

/** JSON: `tensors` worst first, each with the figures of `comparisonJson`; `quantized` and `all` sums. */
function jsonOf(comparison: ModelComparison, original: string, quantized: string): object {
  const { tensors, onlyOriginal, onlyQuantized, originalBytes, quantizedBytes } = comparison;
  const totals = (list: readonly ComparedReport[]) =>
    comparisonJson(figuresOf(addComparisons(list.map(({ sums }) => sums))));
  return {
    original,
    quantized,
    originalBytes,
    quantizedBytes,
    onlyOriginal,
    onlyQuantized,
    totals: {
      quantized: totals(tensors.filter(({ isQuantized }) => isQuantized)),
      all: totals(tensors),
    },
    tensors: worstFirst(tensors).map(({ sums, ...tensor }) => ({
      ...tensor,
      bitsPerWeight: sums.elements > 0 ? (tensor.storedBytes * 8) / sums.elements : null,
      ...comparisonJson(figuresOf(sums)),
    })),
  };
}

function worstFirst(tensors: readonly ComparedReport[]): ComparedReport[] {
  const error = ({ sums }: ComparedReport) => figuresOf(sums).relativeRms;
  return [...tensors].sort((a, b) => error(b) - error(a));
}

function isChanged({ sums }: ComparedReport): boolean {
  return sums.errorSquares > 0 || sums.newNonFinite > 0;
}

function warningsOf({ onlyOriginal, onlyQuantized }: ModelComparison): string[] {
  const listed = (names: readonly string[], where: string) =>
    names.length === 0
      ? []
      : [`only in the ${where}: ${printable(names[0] ?? "")}${more(names.length - 1)}`];
  return [...listed(onlyOriginal, "original"), ...listed(onlyQuantized, "quantized model")];
}

function more(count: number): string {
  return count > 0 ? ` and ${count} more` : "";
}

function reportOf(comparison: ModelComparison, original: string, quantized: string): string {
  const { tensors, histograms, schemes, originalBytes, quantizedBytes } = comparison;
  return compareReport({
    version: QUANTWISE_VERSION,
    original: { name: original, bytes: originalBytes },
    quantized: { name: quantized, bytes: quantizedBytes },
    tensors,
    histograms,
    schemes,
    warnings: warningsOf(comparison),
  });
}

/** The page appears whole under its name, or not at all. */
async function writeReport(path: string, page: string, overwrite: boolean): Promise<void> {
  await checkFileOutput(path, overwrite);
  const temporary = `${path}.${process.pid}.partial`;
  try {
    await writeFile(temporary, page, { flush: true, flag: "wx" });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw storageError("cannot write", path, cause);
  }
}
