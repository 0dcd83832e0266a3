/** What a job did, at its end: for people, or as one line of JSON. */

import { printable } from "../foundation/errors.ts";
import type { QuantizeModelResult } from "../node/index.ts";
import { formatBytes, formatPercent, formatSeconds } from "./format.ts";

export interface JobFacts {
  readonly input: string;
  readonly output: string;
  readonly seconds: number;
}

export function textSummary(result: QuantizeModelResult, job: JobFacts): string {
  const { bytesBefore, bytesAfter, slackBytes, counts, totals, dryRun, kernels } = result;
  const { copy, ...quantizedCounts } = counts;
  const quantized = Object.values(quantizedCounts).reduce((sum, count) => sum + count, 0);
  const kinds = Object.entries(quantizedCounts).map(([kind, count]) => `${count} ${kind}`);
  const ratio = bytesAfter > 0 ? (bytesBefore / bytesAfter).toFixed(2) : "–";
  const size =
    slackBytes > 0
      ? `at most ${bytesAfter} bytes, at least ${bytesAfter - slackBytes}: double quantization ` +
        "stores an offset as text, whose length depends on the weights"
      : `${bytesAfter} bytes`;
  const lines = [
    `${dryRun ? "would write" : "wrote"} ${printable(job.output)}: ${formatBytes(bytesBefore)} -> ` +
      `${formatBytes(bytesAfter)} (${size}), ${ratio} times smaller`,
    `  tensors   ${quantized} quantized (${kinds.join(", ") || "none"}), ${copy} copied`,
  ];
  if (result.files.length > 1) lines.push(`  shards    ${result.files.length}`);
  if (totals.quantizedElements > 0) {
    const weights = (totals.quantizedBytesAfter * 8) / totals.quantizedElements;
    const all = (bytesAfter * 8) / totals.elements;
    lines.push(
      `  bits      ${weights.toFixed(3)} per quantized weight, ${all.toFixed(3)} over all`,
    );
  }
  const { worst } = totals;
  if (worst?.error !== undefined) {
    const error = formatPercent(worst.error.relativeRms);
    const sampled = worst.error.sampledElements < worst.elementCount ? ", sampled" : "";
    lines.push(`  worst     ${printable(worst.name)}: error ${error} of its RMS${sampled}`);
  }
  if (result.resumedTensors > 0) {
    lines.push(`  resumed   ${result.resumedTensors} tensors were done before`);
  }
  if (!dryRun) {
    const onThreads = result.threads > 1 ? `, ${result.threads} threads` : "";
    const rate = formatBytes(bytesBefore / Math.max(job.seconds, 1e-3));
    lines.push(
      `  time      ${formatSeconds(job.seconds)}, ${rate}/s on ${kernels.name} kernels${onThreads}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

export function jsonSummary(result: QuantizeModelResult, job: JobFacts): string {
  const { totals, counts, bytesBefore, bytesAfter } = result;
  const { worst } = totals;
  const perWeight = (bytes: number, elements: number) =>
    elements > 0 ? (bytes * 8) / elements : null;
  const summary = {
    input: job.input,
    output: job.output,
    dryRun: result.dryRun,
    resumedTensors: result.resumedTensors,
    files: result.files,
    bytesBefore,
    bytesAfter,
    /** A dry run's bytesAfter may be too high by at most this. */
    slackBytes: result.slackBytes,
    exact: result.slackBytes === 0,
    tensors: counts,
    bitsPerWeight: perWeight(totals.quantizedBytesAfter, totals.quantizedElements),
    bitsPerWeightOverall: perWeight(bytesAfter, totals.elements),
    worst:
      worst?.error === undefined
        ? null
        : { name: worst.name, ...worst.error, elementCount: worst.elementCount },
    seconds: job.seconds,
    bytesPerSecond: result.dryRun ? null : bytesBefore / Math.max(job.seconds, 1e-9),
    kernels: result.kernels,
    threads: result.threads,
    warnings: result.warnings,
  };
  return `${JSON.stringify(summary)}\n`;
}
