/** The main job on files: a model in, a quantized model out, whole under its name or not at all. */

import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { ByteStream } from "../checkpoint/byte-stream.ts";
import { refuseQuantized } from "../checkpoint/config/model-config.ts";
import type { OpenedModel } from "../checkpoint/opened-model.ts";
import { type JobPlace, QuantizeJob } from "../checkpoint/quantize-job.ts";
import { checkByteCount } from "../checkpoint/quantize-stream.ts";
import { ArgumentError, printable, UnsupportedError } from "../foundation/errors.ts";
import { forwardStream } from "../web/forward-stream.ts";
import { checkOutput, refuseGgufOutput } from "./check-output.ts";
import { writeChecksums } from "./checksums.ts";
import { openModel, readConfig } from "./model-input.ts";
import { pendingDirectory, pendingFile } from "./output.ts";
import {
  type OutputKind,
  outputKindOf,
  type QuantizeModelOptions,
  type QuantizeModelResult,
} from "./quantize-options.ts";
import { runIdentity } from "./run-identity.ts";
import { writeStdout } from "./stdout.ts";
import { createThreadPool } from "./threads.ts";

/**
 * Quantizes the model at `input` into `output`.
 *
 * @param input as of `openModel`, or "-" for standard input
 * @param output a .safetensors file, "-" for standard output, or a directory
 * @throws ArgumentError, PlanError, FormatError, NonFiniteError, StorageError, or the signal's
 * reason; in every case the output's name is untouched
 */
export async function quantizeModel(
  input: string,
  output: string,
  options: QuantizeModelOptions = {},
): Promise<QuantizeModelResult> {
  checkByteCount("maxTensorBytes", options.maxTensorBytes);
  checkByteCount("syncBytes", options.syncBytes);
  refuseGgufOutput(output, "quantizeGguf");
  const kind = outputKindOf(output);
  refuseResume(input, kind, options);
  if (options.sha256sums === true && kind !== "directory") {
    throw new ArgumentError("sha256sums", "a directory as output beside it", true);
  }
  if (kind !== "stdout") await checkOutput(input, output, kind, options.overwrite === true);
  if (input !== "-") {
    const model = await openModel(input, options);
    try {
      refuseQuantized(model.config);
      if (options.resume === true) refuseUnknown(input, model);
      const place = placeOf(output, kind, options, model);
      const files = model.files.map(({ source, table }) => ({ name: source.name, table }));
      const job = new QuantizeJob(place, options, model.config, files, model.leftOut);
      if (model.hasRanges || files.length > 1) return await job.run(model, model);
      const forward = forwardStream(model, options.signal);
      await forward.readHeader();
      return await job.run(forward, model);
    } finally {
      await model.close();
    }
  }
  const config = options.config === undefined ? undefined : await readConfig(options.config);
  refuseQuantized(config);
  const stream = new ByteStream(
    Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
    "standard input",
    options.signal,
  );
  try {
    const table = await stream.readHeader();
    const place = placeOf(output, kind, options);
    const files = [{ name: stream.name, table }];
    return await new QuantizeJob(place, options, config, files).run(stream);
  } finally {
    await stream.cancel(undefined);
  }
}

function refuseResume(input: string, kind: OutputKind, { resume, dryRun }: QuantizeModelOptions) {
  if (resume !== true) return;
  const whole = "a file or a directory with resume: a stream cannot be taken up again";
  if (input === "-") throw new ArgumentError("model", whole, input);
  if (kind === "stdout") throw new ArgumentError("output", whole, "-");
  if (dryRun === true) throw new ArgumentError("resume", "no dryRun beside it", resume);
}

/** Nothing can be taken up where one cannot begin in the middle, or tell whether it is the same model. */
function refuseUnknown(input: string, { hasRanges, files }: OpenedModel): void {
  const isKnown = files.every(({ source }) => source.revision !== undefined);
  if (hasRanges && isKnown) return;
  const missing = hasRanges ? "neither an ETag nor a date" : "no ranges";
  throw new UnsupportedError(
    `${printable(input)}: its server gives ${missing}, so it cannot be resumed; leave out resume ` +
      "(--resume), or download it first",
  );
}

function placeOf(
  output: string,
  kind: OutputKind,
  options: QuantizeModelOptions,
  model?: OpenedModel,
): JobPlace {
  const { overwrite = false, resume = false, kernels, signal } = options;
  const { syncBytes, onKept, onLeftover } = options;
  const beforeCommit =
    options.sha256sums === true ? (path: string) => writeChecksums(path, signal) : undefined;
  const begin = kind === "directory" ? pendingDirectory : pendingFile;
  return {
    kind,
    fileName: basename(output),
    open: (content) => {
      const identity = model?.hasRanges === true && runIdentity(kind, model, options, content);
      const run = identity ? { identity, resume, syncBytes, onKept, onLeftover } : undefined;
      return begin(output, { overwrite, run, beforeCommit });
    },
    emit: writeStdout,
    newPool(model) {
      const threads = options.threads ?? usualThreads(model);
      if (threads === 1) return undefined;
      return createThreadPool({ threads, ...(kernels === undefined ? {} : { kernels }) });
    },
  };
}

/** Bytes of weights from which threads are through earlier than one, by the time they need to start. */
const THREADED_BYTES = 512e6;
/** More wait for memory rather than compute. */
const USUAL_THREADS_MAX = 8;

function usualThreads({ files }: OpenedModel): number {
  const bytes = files.reduce((sum, { table }) => sum + table.dataBytes, 0);
  const isLocal = files.every(({ source }) => source.place !== undefined);
  return isLocal && bytes >= THREADED_BYTES
    ? Math.min(availableParallelism(), USUAL_THREADS_MAX)
    : 1;
}
