/** The main job on files: a model in, a quantized model out, whole under its name or not at all. */

import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { ByteStream } from "../checkpoint/byte-stream.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { openModel, readConfig } from "./model-input.ts";
import { refuseExisting } from "./output.ts";
import { QuantizeJob } from "./quantize-job.ts";
import {
  outputKindOf,
  type QuantizeModelOptions,
  type QuantizeModelResult,
} from "./quantize-options.ts";

/**
 * Quantizes the model at `input` into `output`.
 *
 * @param input a .safetensors file, a checkpoint directory, or "-" for standard input
 * @param output a .safetensors file, "-" for standard output, or a directory
 * @throws ArgumentError, PlanError, FormatError, NonFiniteError, StorageError, or the signal's
 * reason; in every case the output's name is untouched
 */
export async function quantizeModel(
  input: string,
  output: string,
  options: QuantizeModelOptions = {},
): Promise<QuantizeModelResult> {
  const kind = outputKindOf(output);
  if (kind !== "stdout") await checkOutput(input, output, kind, options.overwrite === true);
  if (input !== "-") {
    const model = await openModel(input, options.config);
    try {
      const files = model.files.map(({ source, table }) => ({ name: source.name, table }));
      return await new QuantizeJob(output, kind, options, model.config, files, model.leftOut).run(
        model,
      );
    } finally {
      await model.close();
    }
  }
  const config = options.config === undefined ? undefined : await readConfig(options.config);
  const stream = new ByteStream(
    Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
    "standard input",
    options.signal,
  );
  try {
    const table = await stream.readHeader();
    const files = [{ name: stream.name, table }];
    return await new QuantizeJob(output, kind, options, config, files).run(stream);
  } finally {
    await stream.cancel(undefined);
  }
}

/** Refuses an output that exists, or that would swallow its own input. */
async function checkOutput(
  input: string,
  output: string,
  kind: "file" | "directory",
  overwrite: boolean,
): Promise<void> {
  await refuseExisting(output, overwrite, kind);
  if (input === "-") return;
  const source = await realPathOf(resolve(input));
  const target = await realPathOf(resolve(output));
  if (source === target || source.startsWith(target + sep) || target.startsWith(source + sep)) {
    const allowed = "a place of its own: neither the input, nor inside it, nor around it";
    throw new ArgumentError("output", allowed, output);
  }
}

/** The path with its links followed; what does not exist yet is below its nearest ancestor. */
async function realPathOf(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  if (real !== undefined || dirname(path) === path) return real ?? path;
  return join(await realPathOf(dirname(path)), basename(path));
}
