/** The main job on files: a model in, a quantized model out, whole under its name or not at all. */

import { copyFile, mkdir, realpath, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { Readable } from "node:stream";
import { ByteStream } from "../checkpoint/byte-stream.ts";
import { convertFiles, convertStream, type WrittenFile } from "../checkpoint/convert.ts";
import { writeForward } from "../checkpoint/forward-file.ts";
import { identityOf, type ModelConfig } from "../checkpoint/model-config.ts";
import {
  exactSizes,
  forwardSizes,
  type OutputFile,
  type OutputSizes,
  outputFiles,
  singleOutputFile,
} from "../checkpoint/output-plan.ts";
import { Plan, type PlanOptions } from "../checkpoint/plan.ts";
import { quantizedConfigText } from "../checkpoint/quantization-config.ts";
import { addToTotals, NO_TOTALS, type TensorReport, type Totals } from "../checkpoint/report.ts";
import { streamReader, unitReader } from "../checkpoint/unit-reader.ts";
import { warningsOf } from "../checkpoint/warnings.ts";
import { encodeIndex, type SafetensorsFile } from "../formats/safetensors/index.ts";
import type { FloatDtype } from "../foundation/dtype.ts";
import { ArgumentError, StorageError } from "../foundation/errors.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { KernelReport } from "../kernels/select.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import { INDEX_NAME, type ModelInput, openModel } from "./model-input.ts";
import { type PendingOutput, pendingDirectory, pendingFile, refuseExisting } from "./output.ts";
import { storageError } from "./storage-error.ts";

export interface QuantizeModelOptions extends PlanOptions {
  /** dtype of products, noted in config.json. @defaultValue the checkpoint's own dtype at 4 bits */
  readonly computeDtype?: FloatDtype;
  /** Bytes of a shard. @defaultValue 5e9 */
  readonly maxShardSize?: number;
  /** Replace an existing output. @defaultValue false */
  readonly overwrite?: boolean;
  /** Plan only: nothing is created. @defaultValue false */
  readonly dryRun?: boolean;
  /** Let NaN and infinity through. @defaultValue false */
  readonly allowNonFinite?: boolean;
  /** Most bytes of a Conv1D tensor that is read from a stream. @defaultValue 256 MiB */
  readonly maxTensorBytes?: number;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  readonly signal?: AbortSignal;
  /** What is planned, before the first byte is written. */
  readonly onPlan?: (plan: PlannedJob) => void;
  /** Source bytes that were carried over since the last call. */
  readonly onBytes?: (byteCount: number) => void;
  /** Called after each source tensor. */
  readonly onTensor?: (report: TensorReport) => void;
}

export interface PlannedJob {
  readonly tensors: number;
  /** Bytes of all source tensors. */
  readonly bytes: number;
  readonly warnings: readonly string[];
}

export interface QuantizeModelResult {
  readonly dryRun: boolean;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Bytes of the source tensors, and of all output files of weights. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Of a dry run: the output may be smaller than `bytesAfter` by at most this. */
  readonly slackBytes: number;
  readonly counts: ReturnType<Plan["counts"]>;
  readonly totals: Totals;
  readonly warnings: readonly string[];
  readonly kernels: KernelReport;
}

/** "-" is standard input or output; a file ends in ".safetensors"; all else is a directory. */
export type OutputKind = "stdout" | "file" | "directory";

export function outputKindOf(output: string): OutputKind {
  if (output === "-") return "stdout";
  return output.endsWith(".safetensors") ? "file" : "directory";
}

const MAX_TENSOR_BYTES = 256 << 20;

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
    const model = await openModel(input);
    try {
      return await new Job(output, kind, options, model.config, model.files).run(model);
    } finally {
      await model.close();
    }
  }
  const stream = new ByteStream(
    Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>,
    "standard input",
    options.signal,
  );
  try {
    const table = await stream.readHeader();
    const files = [{ name: stream.name, table }];
    return await new Job(output, kind, options, undefined, files).run(stream);
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
  const source = await realpath(input).catch(() => resolve(input));
  const target = await realpath(output).catch(() => resolve(output));
  if (source === target || source.startsWith(target + sep) || target.startsWith(source + sep)) {
    const allowed = "a place of its own: neither the input, nor inside it, nor around it";
    throw new ArgumentError("output", allowed, output);
  }
}

class Job {
  readonly #output: string;
  readonly #kind: OutputKind;
  readonly #options: QuantizeModelOptions;
  readonly #config: ModelConfig | undefined;
  readonly #plan: Plan;
  readonly #warnings: readonly string[];
  #totals = NO_TOTALS;

  constructor(
    output: string,
    kind: OutputKind,
    options: QuantizeModelOptions,
    config: ModelConfig | undefined,
    files: readonly (SafetensorsFile | { name: string; table: SafetensorsFile["table"] })[],
  ) {
    this.#output = output;
    this.#kind = kind;
    this.#options = options;
    this.#config = config;
    const named = files.map((file) => ("source" in file ? nameOf(file) : file));
    this.#plan = new Plan(named, identityOf(config), options);
    this.#warnings = warningsOf(this.#plan, config, kind);
  }

  async run(input: ModelInput | ByteStream): Promise<QuantizeModelResult> {
    const plan = this.#plan;
    const outputs = this.#outputs();
    // The skip list may refuse the plan: before anything is created.
    const configText =
      this.#kind === "directory"
        ? quantizedConfigText(plan, this.#config, this.#options.computeDtype)
        : "";
    const bytes = plan.files.reduce((sum, { table }) => sum + table.dataBytes, 0);
    this.#options.onPlan?.({ tensors: plan.length, bytes, warnings: this.#warnings });
    if (this.#options.dryRun === true) return this.#result(this.#sizes(outputs), true);
    const workspace = newWorkspace(this.#options.kernels);
    if (this.#kind === "stdout") {
      const written = await this.#toStdout(input, workspace);
      return this.#result(written, false, workspace.report);
    }
    const pending = await this.#pending();
    try {
      const files = await this.#convert(input, outputs, pending, workspace);
      if (this.#kind === "directory") {
        const index = files.length > 1 ? this.#index(outputs, files) : undefined;
        await this.#finishDirectory(pending, index, configText, input);
      }
      this.#options.signal?.throwIfAborted();
      await pending.commit();
      const sizes = files.map(({ name, bytes: size }) => ({ name, bytes: size }));
      const totalBytes = sizes.reduce((sum, file) => sum + file.bytes, 0);
      return this.#result({ files: sizes, totalBytes, slackBytes: 0 }, false, workspace.report);
    } catch (error) {
      await pending.abort();
      throw error;
    }
  }

  #outputs(): OutputFile[] {
    return this.#kind === "directory"
      ? outputFiles(this.#plan, this.#options.maxShardSize)
      : [singleOutputFile(this.#plan, basename(this.#output))];
  }

  #sizes(outputs: readonly OutputFile[]): OutputSizes {
    return this.#kind === "stdout"
      ? forwardSizes(this.#plan, "-")
      : exactSizes(this.#plan, outputs);
  }

  #pending(): Promise<PendingOutput> {
    const overwrite = this.#options.overwrite === true;
    return this.#kind === "directory"
      ? pendingDirectory(this.#output, overwrite)
      : pendingFile(this.#output, overwrite);
  }

  get #runOptions() {
    const { allowNonFinite, signal, onBytes } = this.#options;
    return {
      coding: this.#plan.coding,
      allowNonFinite,
      measureError: true,
      signal,
      onBytes,
      onTensor: (report: TensorReport) => {
        this.#totals = addToTotals(this.#totals, report);
        this.#options.onTensor?.(report);
      },
    };
  }

  #convert(
    input: ModelInput | ByteStream,
    outputs: readonly OutputFile[],
    pending: PendingOutput,
    workspace: ReturnType<typeof newWorkspace>,
  ): Promise<WrittenFile[]> {
    const create = (name: string) => pending.create(name);
    const options = this.#runOptions;
    if (!(input instanceof ByteStream)) {
      return convertFiles(this.#plan, input.files, outputs, create, workspace, options);
    }
    const maxTensorBytes = this.#options.maxTensorBytes ?? MAX_TENSOR_BYTES;
    const streamOptions = { ...options, maxTensorBytes };
    return convertStream(this.#plan, input, outputs, create, workspace, streamOptions);
  }

  async #toStdout(
    input: ModelInput | ByteStream,
    workspace: ReturnType<typeof newWorkspace>,
  ): Promise<OutputSizes> {
    const maxTensorBytes = this.#options.maxTensorBytes ?? MAX_TENSOR_BYTES;
    const written = await writeForward(
      this.#plan,
      async (unit) =>
        input instanceof ByteStream
          ? await streamReader(input, unit, maxTensorBytes)
          : unitReader(unit, input.files[unit.file] as SafetensorsFile),
      writeStdout,
      workspace,
      this.#runOptions,
    );
    if (input instanceof ByteStream) await input.expectEnd();
    return { files: [{ name: "-", bytes: written }], totalBytes: written, slackBytes: 0 };
  }

  #index(outputs: readonly OutputFile[], files: readonly WrittenFile[]): Uint8Array {
    const weightMap = new Map<string, string>();
    for (const { name: file, units } of outputs) {
      for (const unit of units) {
        for (const { name } of this.#plan.outputs(this.#plan.unit(unit), "typical")) {
          weightMap.set(name, file);
        }
      }
    }
    const totalSize = files.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
    return encodeIndex({ totalSize, weightMap });
  }

  async #finishDirectory(
    pending: PendingOutput,
    index: Uint8Array | undefined,
    configText: string,
    input: ModelInput | ByteStream,
  ): Promise<void> {
    if (index !== undefined) await writeText(join(pending.path, INDEX_NAME), index);
    await writeText(join(pending.path, "config.json"), configText);
    if (input instanceof ByteStream) return;
    for (const path of input.sidecars) {
      this.#options.signal?.throwIfAborted();
      const target = join(pending.path, path);
      try {
        await mkdir(dirname(target), { recursive: true });
        await copyFile(join(input.directory, path), target);
      } catch (cause) {
        throw storageError("cannot copy", path, cause);
      }
    }
  }

  #result(sizes: OutputSizes, dryRun: boolean, kernels?: KernelReport): QuantizeModelResult {
    const { files, totalBytes, slackBytes } = sizes;
    return {
      dryRun,
      files,
      bytesBefore: this.#plan.files.reduce((sum, { table }) => sum + table.dataBytes, 0),
      bytesAfter: totalBytes,
      slackBytes,
      counts: this.#plan.counts(),
      totals: this.#totals,
      warnings: this.#warnings,
      kernels: kernels ?? newWorkspace(this.#options.kernels).report,
    };
  }
}

function nameOf({ source, table }: SafetensorsFile) {
  return { name: source.name, table };
}

async function writeText(path: string, text: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, text, { flush: true });
  } catch (cause) {
    throw storageError("cannot write", path, cause);
  }
}

/** Resolves when the bytes are handed over; the reader's pace is ours. */
function writeStdout(bytes: Uint8Array): Promise<void> {
  return new Promise((done, failed) => {
    const fail = (cause: unknown) => {
      process.stdout.off("error", fail);
      failed(
        cause instanceof StorageError
          ? cause
          : storageError("cannot write", "standard output", cause),
      );
    };
    process.stdout.once("error", fail);
    process.stdout.write(bytes, (error) => {
      if (error) return fail(error);
      process.stdout.off("error", fail);
      done();
    });
  });
}
