/** The main job on files: a model in, a quantized model out, whole under its name or not at all. */

import { basename } from "node:path";
import { Readable } from "node:stream";
import { ByteStream } from "../checkpoint/byte-stream.ts";
import { refuseQuantized } from "../checkpoint/config/model-config.ts";
import { type JobPlace, QuantizeJob } from "../checkpoint/quantize-job.ts";
import { checkByteCount } from "../checkpoint/quantize-stream.ts";
import { forwardStream } from "../web/forward-stream.ts";
import { checkOutput } from "./check-output.ts";
import { openModel, readConfig } from "./model-input.ts";
import { pendingDirectory, pendingFile } from "./output.ts";
import {
  type OutputKind,
  outputKindOf,
  type QuantizeModelOptions,
  type QuantizeModelResult,
} from "./quantize-options.ts";
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
  const kind = outputKindOf(output);
  if (kind !== "stdout") await checkOutput(input, output, kind, options.overwrite === true);
  const place = placeOf(output, kind, options);
  if (input !== "-") {
    const model = await openModel(input, options);
    try {
      refuseQuantized(model.config);
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
    const files = [{ name: stream.name, table }];
    return await new QuantizeJob(place, options, config, files).run(stream);
  } finally {
    await stream.cancel(undefined);
  }
}

function placeOf(output: string, kind: OutputKind, options: QuantizeModelOptions): JobPlace {
  const { overwrite = false, threads = 1, kernels } = options;
  const begin = kind === "directory" ? pendingDirectory : pendingFile;
  return {
    kind,
    fileName: basename(output),
    open: () => begin(output, overwrite),
    emit: writeStdout,
    // One thread keeps up with a disk: more are started where they are asked for.
    newPool: () =>
      threads === 1
        ? undefined
        : createThreadPool({ threads, ...(kernels === undefined ? {} : { kernels }) }),
  };
}
