/** Progress on standard error: a bar on a terminal, elsewhere one line a tensor. */

import cliProgress from "cli-progress";
import type { TensorReport } from "../checkpoint/report.ts";
import { printable } from "../foundation/errors.ts";
import type { PlannedJob } from "../node/index.ts";
import { formatBytes, formatSeconds } from "./format.ts";

export class Progress {
  readonly #quiet: boolean;
  #bar: cliProgress.SingleBar | undefined;
  #tensors = 0;
  #done = 0;
  #bytes = 0;
  #earlierBytes = 0;
  #totalBytes = 0;
  #started = 0;

  constructor(quiet: boolean) {
    this.#quiet = quiet;
  }

  /** Even a quiet job says what its user must know. */
  warn(text: string): void {
    process.stderr.write(`warning: ${text}\n`);
  }

  start({ tensors, bytes }: PlannedJob): void {
    this.#tensors = tensors;
    this.#totalBytes = bytes;
    this.#started = performance.now();
    if (this.#quiet || !process.stderr.isTTY) return;
    this.#bar = new cliProgress.SingleBar(
      {
        stream: process.stderr,
        format: "{bar} {percentage}% | {done} of {all} | {rate}/s | {left} left | {tensor}",
        hideCursor: true,
        clearOnComplete: true,
        autopadding: true,
        linewrap: false,
        fps: 10,
      },
      cliProgress.Presets.shades_classic,
    );
    this.#bar.start(Math.max(1, bytes), 0, this.#payload(""));
  }

  advance(byteCount: number): void {
    this.#bytes += byteCount;
    this.#bar?.update(this.#bytes, this.#payload());
  }

  tensor(report: TensorReport): void {
    const { name, shape, dtype, action, bytesBefore, bytesAfter } = report;
    const change =
      action === "copy"
        ? `copied, ${formatBytes(bytesBefore)}`
        : `${action}, ${formatBytes(bytesBefore)} -> ${formatBytes(bytesAfter)}`;
    this.step(name, `${dtype} [${shape.join(", ")}]: ${change}`);
  }

  /** An earlier run has done it. */
  earlier({ bytesBefore }: TensorReport): void {
    this.#done++;
    this.advance(bytesBefore);
    this.#earlierBytes += bytesBefore;
  }

  /** One tensor is through. */
  step(name: string, text: string): void {
    this.#done++;
    if (this.#bar !== undefined) {
      this.#bar.update(this.#bytes, this.#payload(printable(name)));
      return;
    }
    if (this.#quiet) return;
    const width = String(this.#tensors).length;
    const position = `[${String(this.#done).padStart(width)}/${this.#tensors}]`;
    process.stderr.write(`${position} ${printable(name)} ${text}\n`);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  #payload(tensor?: string): Record<string, string> {
    const seconds = (performance.now() - this.#started) / 1000;
    const rate = (this.#bytes - this.#earlierBytes) / Math.max(seconds, 1e-3);
    const left = rate > 0 ? (this.#totalBytes - this.#bytes) / rate : 0;
    return {
      done: formatBytes(this.#bytes),
      all: formatBytes(this.#totalBytes),
      rate: formatBytes(rate),
      left: this.#bytes > 0 ? formatSeconds(left) : "?",
      ...(tensor === undefined ? {} : { tensor }),
    };
  }
}
