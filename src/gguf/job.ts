/** One run of a GGUF job, when its input is open. */

import type { ByteStream } from "../checkpoint/byte-stream.ts";
import type { PlannedJob } from "../checkpoint/quantize-job-options.ts";
import {
  type GgufFile,
  type GgufHeader,
  GgufHeaderParser,
  type GgufMetadata,
  ggufElements,
} from "../formats/gguf/index.ts";
import { windowOf } from "../ggml/window.ts";
import type { KernelReport } from "../kernels/select.ts";
import { type RunGgufOptions, reportOf, runGguf, type TensorBytes } from "./convert.ts";
import type { GgufPlan, ModelTensor } from "./plan.ts";

export interface GgufJobOptions extends RunGgufOptions {
  /** Plan only: nothing is created. @defaultValue false */
  readonly dryRun?: boolean | undefined;
  /** What is planned, before the first byte is written. */
  readonly onPlan?: ((plan: PlannedJob) => void) | undefined;
}

export interface GgufJobResult {
  readonly dryRun: boolean;
  /** Bytes of the source tensors, and of the whole output. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Tensors of each type in the output. */
  readonly types: Readonly<Record<string, number>>;
  /** Tensors that changed their type. */
  readonly recoded: number;
  readonly elements: number;
  readonly recodedElements: number;
  readonly recodedBytesAfter: number;
  readonly warnings: readonly string[];
  readonly kernels: KernelReport;
}

/** The files of one model that can be read in any order. */
export interface OpenedGguf {
  readonly metadata: GgufMetadata;
  /** Of all files, in their order. */
  readonly tensors: readonly ModelTensor[];
  readonly files: readonly GgufFile[];
}

export function modelTensors(headers: readonly GgufHeader[]): ModelTensor[] {
  return headers.flatMap(({ tensors }, file) => tensors.map((tensor) => ({ ...tensor, file })));
}

/** Opens tensors in files. */
export function rangeReader(
  files: readonly GgufFile[],
): (tensor: ModelTensor) => Promise<TensorBytes> {
  return async ({ file, offset }: ModelTensor): Promise<TensorBytes> => {
    const { source, header } = files[file] as GgufFile;
    let position = header.dataStart + offset;
    return {
      async fill(target) {
        await source.read(target, position);
        position += target.byteLength;
      },
    };
  };
}

/** Reads a header from a stream; the data follows. @throws FormatError */
export async function readStreamHeader(stream: ByteStream): Promise<GgufHeader> {
  const parser = new GgufHeaderParser({ file: stream.name });
  await stream.parse(parser);
  return parser.finish();
}

/** Tensors of a stream, and then its end. */
export interface StreamReader {
  open(tensor: ModelTensor): Promise<TensorBytes>;
  /** Reads the padding behind the last tensor: a stream that lacks it was cut off. */
  finish(): Promise<void>;
}

/** Opens tensors in a stream, in the order in which they come. */
export function streamReader(stream: ByteStream, header: GgufHeader): StreamReader {
  const skipTo = async (position: number) => {
    await stream.fill(new Uint8Array(position - stream.position));
  };
  return {
    async open({ name, offset }: ModelTensor): Promise<TensorBytes> {
      await skipTo(header.dataStart + offset);
      return { fill: (target) => stream.fill(target, name) };
    },
    finish: () => skipTo(header.dataStart + header.dataBytes),
  };
}

/**
 * Runs a plan, or tells what it would give.
 *
 * @param write begins the output when everything is known, and hands the bytes to it
 */
export async function runGgufJob(
  plan: GgufPlan,
  open: (tensor: ModelTensor) => Promise<TensorBytes>,
  write: (run: (emit: (bytes: Uint8Array) => Promise<void>) => Promise<void>) => Promise<void>,
  options: GgufJobOptions,
): Promise<GgufJobResult> {
  const { steps, layout, warnings } = plan;
  const bytes = steps.reduce((sum, { source }) => sum + source.byteLength, 0);
  options.onPlan?.({ tensors: steps.length, bytes, warnings });
  const dryRun = options.dryRun === true;
  if (!dryRun) await write((emit) => runGguf(plan, open, emit, options));
  const types: Record<string, number> = {};
  let elements = 0;
  let recodedElements = 0;
  let recodedBytesAfter = 0;
  for (const step of steps) {
    const { to, dimensions, bytesAfter } = reportOf(step);
    types[to] = (types[to] ?? 0) + 1;
    elements += ggufElements(dimensions);
    if (step.recode === undefined) continue;
    recodedElements += ggufElements(dimensions);
    recodedBytesAfter += bytesAfter;
  }
  return {
    ...{ dryRun, types, elements, recodedElements, recodedBytesAfter, warnings },
    bytesBefore: bytes,
    bytesAfter: layout.fileBytes,
    recoded: steps.filter(({ recode }) => recode !== undefined).length,
    kernels: windowOf(options.kernels ?? "auto").report,
  };
}
