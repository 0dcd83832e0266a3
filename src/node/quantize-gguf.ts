/** The GGUF jobs on files: a model in, a GGUF file out, whole under its name or not at all. */

import { basename } from "node:path";
import { Readable } from "node:stream";
import { ByteStream } from "../checkpoint/byte-stream.ts";
import type { GgufMetadata } from "../formats/gguf/index.ts";
import { ArgumentError } from "../foundation/errors.ts";
import type { ConvertedTensor } from "../gguf/hugging-face/tensors.ts";
import {
  type GgufJobOptions,
  type GgufJobResult,
  modelTensors,
  rangeReader,
  readStreamHeader,
  runGgufJob,
  streamReader,
} from "../gguf/job.ts";
import {
  checkFileType,
  type GgufPlan,
  type GgufPlanOptions,
  type ModelTensor,
  planDequantized,
  planGguf,
} from "../gguf/plan.ts";
import { isGgufPath } from "../web/model-place.ts";
import { sourceStream } from "../web/source-stream.ts";
import { checkOutput } from "./check-output.ts";
import { type CheckpointOptions, checkpointAsGguf } from "./checkpoint-as-gguf.ts";
import { openGgufInput } from "./gguf-input.ts";
import { openModel } from "./model-input.ts";
import { pendingFile } from "./output.ts";
import { writeStdout } from "./stdout.ts";

export interface GgufOutputOptions extends GgufJobOptions {
  /** Replace an existing output. @defaultValue false */
  readonly overwrite?: boolean | undefined;
  /** For a model at an address; see `openModel`. */
  readonly token?: string | undefined;
}

export interface QuantizeGgufOptions
  extends GgufOutputOptions,
    Omit<GgufPlanOptions, "order">,
    CheckpointOptions {}

export interface DequantizeGgufOptions extends GgufOutputOptions {
  /** What quantized weights become. @defaultValue "f16" */
  readonly fileType?: "f32" | "f16" | "bf16" | undefined;
}

type Order = "llama" | "source";
type MakePlan = (metadata: GgufMetadata, tensors: readonly ModelTensor[], order: Order) => GgufPlan;

/**
 * Quantizes the GGUF model at `input` into one GGUF file: the bytes of llama-quantize where the
 * source can be read in any order; from a stream, the source's order of tensors.
 *
 * @param input a .gguf file, the first of several parts, a URL, or "-" for standard input; or a
 * checkpoint as of `openModel`, whose family and tokenizer must be known
 * @param output a .gguf file, or "-" for standard output
 * @throws ArgumentError, PlanError, FormatError, NonFiniteError, StorageError, or the signal's
 * reason; in every case the output's name is untouched
 */
export function quantizeGguf(
  input: string,
  output: string,
  options: QuantizeGgufOptions,
): Promise<GgufJobResult> {
  checkFileType(options.fileType);
  if (input !== "-" && !isGgufPath(input)) return fromCheckpoint(input, output, options);
  return convert(input, output, options, (metadata, tensors, order) =>
    planGguf(metadata, tensors, { ...options, order }),
  );
}

/** Expands the GGUF model at `input` into a GGUF file of floats; as `quantizeGguf`. */
export function dequantizeGguf(
  input: string,
  output: string,
  options: DequantizeGgufOptions = {},
): Promise<GgufJobResult> {
  const { fileType = "f16" } = options;
  if (!["f32", "f16", "bf16"].includes(fileType)) {
    throw new ArgumentError("fileType", "f32, f16 or bf16", fileType);
  }
  return convert(input, output, options, (metadata, tensors, order) =>
    planDequantized(metadata, tensors, { fileType, order }),
  );
}

async function convert(
  input: string,
  output: string,
  options: GgufOutputOptions,
  makePlan: MakePlan,
): Promise<GgufJobResult> {
  const write = await writerTo(input, output, options);
  if (input === "-") {
    const web = Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>;
    return fromStream(
      new ByteStream(web, "standard input", options.signal),
      options,
      makePlan,
      write,
    );
  }
  const model = await openGgufInput(input, options);
  const { metadata, tensors, files, hasRanges } = model;
  try {
    if (!hasRanges) {
      const source = files.map((file) => file.source)[0] as (typeof files)[0]["source"];
      const stream = new ByteStream(sourceStream(source), source.name, options.signal);
      return await fromStream(stream, options, makePlan, write);
    }
    const plan = makePlan(metadata, tensors, "llama");
    return await runGgufJob(plan, rangeReader(files), write, options);
  } finally {
    await model.close();
  }
}

/** From safetensors, quantized or not. */
async function fromCheckpoint(
  input: string,
  output: string,
  options: QuantizeGgufOptions,
): Promise<GgufJobResult> {
  const write = await writerTo(input, output, options);
  const model = await openModel(input, options);
  try {
    const { metadata, tensors } = await checkpointAsGguf(model, input, options);
    const plan = planGguf(metadata, tensors, options);
    const open = (tensor: ModelTensor) => (tensor as ConvertedTensor).open();
    return await runGgufJob(plan, open, write, options);
  } finally {
    await model.close();
  }
}

async function writerTo(input: string, output: string, options: GgufOutputOptions): Promise<Write> {
  if (output !== "-") {
    if (!isGgufPath(output)) {
      throw new ArgumentError("output", "a .gguf file, or - for standard output", output);
    }
    await checkOutput(input, output, "file", options.overwrite === true);
  }
  return writerOf(output, options);
}

type Emit = (bytes: Uint8Array) => Promise<void>;
type Write = (run: (emit: Emit) => Promise<void>) => Promise<void>;

async function fromStream(
  stream: ByteStream,
  options: GgufOutputOptions,
  makePlan: MakePlan,
  write: Write,
): Promise<GgufJobResult> {
  try {
    const header = await readStreamHeader(stream);
    const plan = makePlan(header.metadata, modelTensors([header]), "source");
    const reader = streamReader(stream, header);
    const whole: Write = (run) =>
      write(async (emit) => {
        await run(emit);
        await reader.finish();
      });
    return await runGgufJob(plan, reader.open, whole, options);
  } finally {
    await stream.cancel(undefined);
  }
}

/** Writes to standard output, or to a file that gets its name when it is whole. */
function writerOf(output: string, { overwrite = false, signal }: GgufOutputOptions): Write {
  if (output === "-") return (run) => run(writeStdout);
  return async (run) => {
    const pending = await pendingFile(output, { overwrite });
    try {
      const sink = await pending.create(basename(output));
      let position = 0;
      await run(async (bytes) => {
        await sink.write(bytes, position);
        position += bytes.byteLength;
      });
      signal?.throwIfAborted();
      await sink.close();
      await pending.commit();
    } catch (error) {
      await pending.abort();
      throw error;
    }
  };
}
