/** `quantwise compare`: how far a quantized model is from its original. */

import { Command, Option } from "commander";
import { ArgumentError, printable } from "../../foundation/errors.ts";
import { addComparisons } from "../../metrics/comparison.ts";
import {
  type ComparisonFigures,
  comparisonJson,
  figuresOf,
} from "../../metrics/comparison-figures.ts";
import {
  type ComparedReport,
  type CompareModelsOptions,
  compareModels,
  type ModelComparison,
} from "../../node/index.ts";
import { writeStdout } from "../../node/stdout.ts";
import { collect, wholeNumber } from "../arguments.ts";
import {
  counted,
  formatCount,
  formatDecibels,
  formatShare,
  formatSignificant,
} from "../figures.ts";
import { formatBytes, formatSeconds } from "../format.ts";
import { Progress } from "../progress.ts";
import { MODEL_FORMS, publicModelName, TOKEN_FILE, tokenIn } from "../remote.ts";
import { compareReport } from "../report/compare-report.ts";
import { openReport } from "../report-file.ts";
import { type Column, terminalWidth, textTable } from "../table.ts";

/** Set by the build. */
declare const QUANTWISE_VERSION: string;

interface Flags extends Pick<CompareModelsOptions, "config" | "kernels"> {
  readonly html?: string;
  readonly tensor?: readonly string[];
  readonly tokenFile?: string;
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
    .argument("<original>", MODEL_FORMS)
    .argument("<quantized>", MODEL_FORMS)
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
    .option(...TOKEN_FILE)
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
  const {
    html,
    tensor,
    tokenFile,
    overwrite = false,
    limit,
    json = false,
    quiet = false,
    ...options
  } = flags;
  if (html === undefined && (tensor !== undefined || overwrite)) {
    const option = tensor === undefined ? "--overwrite" : "--tensor";
    throw new ArgumentError(
      option,
      "--html beside it: it is about the report",
      tensor ?? overwrite,
    );
  }
  const token = await tokenIn(tokenFile, [original, quantized]);
  const names = [publicModelName(original), publicModelName(quantized)] as const;
  const progress = new Progress(quiet || (json && !process.stderr.isTTY));
  const started = performance.now();
  const report =
    html === undefined ? undefined : await openReport(html, overwrite, [original, quantized]);
  try {
    const comparison = await compareModels(original, quantized, {
      ...options,
      ...token,
      details: report !== undefined,
      ...(tensor === undefined ? {} : { tensors: tensor }),
      signal,
      onPlan: ({ tensors, elements }) =>
        progress.start({ tensors, bytes: elements * 4, warnings: [] }),
      onElements: (elements) => progress.advance(elements * 4),
      onTensor: ({ name, storedAs, sums }) =>
        progress.step(name, `${storedAs}: ${formatShare(figuresOf(sums).relativeRms)}`),
    });
    progress.stop();
    const warnings = warningsOf(comparison, report === undefined ? [] : (tensor ?? []));
    for (const warning of warnings) progress.warn(warning);
    signal.throwIfAborted();
    await report?.finish(pageOf(comparison, warnings, ...names));
    const seconds = (performance.now() - started) / 1000;
    const text = json
      ? `${JSON.stringify(jsonOf(comparison, ...names))}\n`
      : textOf(comparison, limit, seconds);
    await writeStdout(Buffer.from(text));
    if (html !== undefined && !json) {
      await writeStdout(Buffer.from(`report: ${printable(html)}\n`));
    }
  } catch (error) {
    await report?.abort();
    throw error;
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

/** Only where the quantized model has NaN or infinity of its own. */
const NON_FINITE_COLUMN: Column = { title: "NaN, ∞", align: "right" };

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
  const hasNew = changed.some(({ sums }) => sums.newNonFinite > 0);
  const left = changed.length - shown.length;
  const equal = tensors.length - changed.length;
  const { originalBytes, quantizedBytes } = model;
  return [
    textTable(hasNew ? [...COLUMNS, NON_FINITE_COLUMN] : COLUMNS, rows, {
      width: terminalWidth(process.stdout),
    }),
    left > 0
      ? `${counted(left, "more tensor")} ${left === 1 ? "differs" : "differ"}; --limit 0 shows all\n`
      : "",
    equal > 0
      ? `${counted(equal, "tensor")} ${equal === 1 ? "is" : "are"} equal, bit for bit or in value\n`
      : "",
    nonFiniteText(totals(tensors)),
    `${formatBytes(originalBytes)} -> ${formatBytes(quantizedBytes)}, compared in ` +
      `${formatSeconds(seconds)}\n`,
  ].join("");
}

/** What no figure counts must be told apart. */
function nonFiniteText({ nonFinite, newNonFinite }: ComparisonFigures): string {
  if (nonFinite === 0) return "";
  const own =
    newNonFinite > 0 ? `, ${formatCount(newNonFinite)} of them in the quantized model alone` : "";
  return `${counted(nonFinite, "element")} NaN or infinite, which no figure counts${own}\n`;
}

function row(name: string, storedAs: string, figures: ComparisonFigures): string[] {
  const { relativeRms, mse, largestError, sqnrDb, cosine, saturated, clipped } = figures;
  const { elements, comparedElements, newNonFinite } = figures;
  if (comparedElements === 0 && elements > 0) {
    // No pair of finite numbers is left: nothing can be said, least of all that they are equal.
    return [name, storedAs, ...Array<string>(7).fill("–"), formatCount(newNonFinite)];
  }
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
    formatCount(newNonFinite),
  ];
}

/**
 * JSON: `tensors` worst first, each with the figures of `comparisonJson`; `totals` of the quantized
 * ones and of all. The largest error has the name of its tensor.
 */
function jsonOf(comparison: ModelComparison, original: string, quantized: string): object {
  const { tensors, onlyOriginal, onlyQuantized, originalBytes, quantizedBytes } = comparison;
  const figures = (list: readonly ComparedReport[]) => {
    const json = comparisonJson(figuresOf(addComparisons(list.map(({ sums }) => sums))));
    const { largestError: largest } = json;
    const tensor = list[largest?.tensor ?? 0]?.name;
    return { ...json, largestError: largest === null ? null : { ...largest, tensor } };
  };
  return {
    original,
    quantized,
    originalBytes,
    quantizedBytes,
    onlyOriginal,
    onlyQuantized,
    totals: {
      quantized: figures(tensors.filter(({ isQuantized }) => isQuantized)),
      all: figures(tensors),
    },
    tensors: worstFirst(tensors).map((report) => {
      const { sums, ...tensor } = report;
      const bitsPerWeight = sums.elements > 0 ? (tensor.storedBytes * 8) / sums.elements : null;
      return { ...tensor, bitsPerWeight, ...figures([report]) };
    }),
  };
}

/** Weights that are no numbers any more are worse than any error. */
function worstFirst(tensors: readonly ComparedReport[]): ComparedReport[] {
  const error = ({ sums }: ComparedReport) => figuresOf(sums).relativeRms;
  const broken = ({ sums }: ComparedReport) => Number(sums.newNonFinite > 0);
  return [...tensors].sort((a, b) => broken(b) - broken(a) || error(b) - error(a));
}

function isChanged({ sums }: ComparedReport): boolean {
  return sums.errorSquares > 0 || sums.newNonFinite > 0;
}

/** @param drawn names of the tensors whose histograms were asked for */
function warningsOf(
  { onlyOriginal, onlyQuantized, histograms }: ModelComparison,
  drawn: readonly string[],
): string[] {
  const listed = (names: readonly string[], where: string) =>
    names.length === 0 ? [] : [`${where}: ${printable(names[0] ?? "")}${more(names.length - 1)}`];
  const missing = drawn.filter((name) => histograms.every(({ tensor }) => tensor !== name));
  return [
    ...listed(onlyOriginal, "only in the original"),
    ...listed(onlyQuantized, "only in the quantized model"),
    ...listed(missing, "no histogram of what is not quantized"),
  ];
}

function more(count: number): string {
  return count > 0 ? ` and ${count} more` : "";
}

function pageOf(
  comparison: ModelComparison,
  warnings: readonly string[],
  original: string,
  quantized: string,
): string {
  const { tensors, histograms, schemes, originalBytes, quantizedBytes } = comparison;
  return compareReport({
    version: QUANTWISE_VERSION,
    original: { name: original, bytes: originalBytes },
    quantized: { name: quantized, bytes: quantizedBytes },
    tensors,
    histograms,
    schemes,
    warnings,
  });
}
