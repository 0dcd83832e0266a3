/** One run of the main job, when its input is open and its plan can be made. */

import type { SafetensorsFile } from "../formats/safetensors/index.ts";
import { printable } from "../foundation/errors.ts";
import type { KernelReport } from "../kernels/select.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import type { PartEncoder } from "../tensor/part-encoder.ts";
import type { Workspace } from "../tensor/workspace.ts";
import { ByteStream } from "./byte-stream.ts";
import { identityOf, type ModelConfig } from "./config/model-config.ts";
import { quantizedConfigText } from "./config/quantization-config.ts";
import { convertFiles, convertStream, fileOpener } from "./convert.ts";
import type { WrittenFile } from "./convert-options.ts";
import { convertParallel } from "./convert-parallel.ts";
import { writeForward } from "./forward-file.ts";
import type { OpenedModel } from "./opened-model.ts";
import {
  exactSizes,
  forwardSizes,
  type OutputFile,
  type OutputSizes,
  outputFiles,
  singleOutputFile,
} from "./output-plan.ts";
import { copySidecars, type PendingOutput, writeConfig, writeIndex } from "./pending-output.ts";
import { Plan } from "./plan.ts";
import type {
  OutputKind,
  QuantizeJobOptions,
  QuantizeModelResult,
} from "./quantize-job-options.ts";
import { MAX_TENSOR_BYTES } from "./quantize-stream.ts";
import { addToTotals, NO_TOTALS, reportOf, type TensorReport } from "./report.ts";
import type { SourceFile } from "./source-file.ts";
import { refuseTooLargeUnits, streamReader, unitReader } from "./unit-reader.ts";
import { warningsOf } from "./warnings.ts";

/** Where the output goes, and who computes it. */
export interface JobPlace {
  readonly kind: OutputKind;
  /** Of a single file. */
  readonly fileName: string;
  /** Begins an output of files. */
  open(content: JobContent): Promise<PendingOutput>;
  /** Takes the bytes of a stream, in order. */
  emit(bytes: Uint8Array): Promise<void>;
  /** Threads, for an input that can be read in any order. */
  newPool(input: OpenedModel): JobPool | undefined;
}

/** What the output is to hold. */
export interface JobContent {
  readonly plan: Plan;
  /** Of a directory. */
  readonly configText: string;
}

export interface JobPool extends PartEncoder {
  /** Threads that have done something. */
  readonly active: number;
  /** Lets go of them; called with an error, and at the end without. Settles when none works. */
  close(reason?: unknown): Promise<void>;
}

export class QuantizeJob {
  readonly #place: JobPlace;
  readonly #kind: OutputKind;
  readonly #options: QuantizeJobOptions;
  readonly #config: ModelConfig | undefined;
  readonly #plan: Plan;
  readonly #warnings: string[];
  #totals = NO_TOTALS;
  #resumed = 0;

  constructor(
    place: JobPlace,
    options: QuantizeJobOptions,
    config: ModelConfig | undefined,
    files: readonly SourceFile[],
    leftOut: readonly string[] = [],
  ) {
    const { kind } = place;
    this.#place = place;
    this.#kind = kind;
    this.#options = options;
    this.#config = config;
    this.#plan = new Plan(files, identityOf(config), options);
    this.#warnings = warningsOf(this.#plan, config, kind);
    if (kind === "directory" && leftOut.length > 0) {
      const names = leftOut.slice(0, 3).map(printable).join(", ");
      const more = leftOut.length > 3 ? ` and ${leftOut.length - 3} more` : "";
      this.#warnings.push(`not copied, as other forms of the weights: ${names}${more}`);
    }
  }

  /** @param model whose sidecars belong to the output; a bare stream has none */
  async run(input: OpenedModel | ByteStream, model?: OpenedModel): Promise<QuantizeModelResult> {
    const plan = this.#plan;
    const outputs = this.#outputs();
    // The skip list may refuse the plan: before anything is created.
    const configText =
      this.#kind === "directory"
        ? quantizedConfigText(plan, this.#config, this.#options.computeDtype)
        : "";
    const bytes = plan.files.reduce((sum, { table }) => sum + table.dataBytes, 0);
    this.#options.onPlan?.({ tensors: plan.length, bytes, warnings: this.#warnings });
    if (input instanceof ByteStream) {
      refuseTooLargeUnits(plan.units(), this.#options.maxTensorBytes ?? MAX_TENSOR_BYTES);
    }
    if (this.#options.dryRun === true) {
      for (const unit of plan.units()) {
        const report = reportOf(unit, plan.outputs(unit, "longest"), undefined);
        this.#totals = addToTotals(this.#totals, report);
      }
      return this.#result(this.#sizes(outputs), true);
    }
    const workspace = newWorkspace(this.#options.kernels);
    if (this.#kind === "stdout") {
      const written = await this.#toStdout(input, workspace);
      return this.#result(written, false, workspace.report);
    }
    const pending = await this.#place.open({ plan, configText });
    const { signal } = this.#options;
    let pool: JobPool | undefined;
    try {
      pool = input instanceof ByteStream ? undefined : this.#place.newPool(input);
      // The small files first: what an address does not give is known before the long work.
      if (this.#kind === "directory") {
        if (model !== undefined) await copySidecars(pending, model, signal);
        await writeConfig(pending, configText);
      }
      const files = await this.#convert(input, outputs, pending, workspace, pool);
      if (this.#kind === "directory") await writeIndex(pending, this.#plan, outputs, files);
      signal?.throwIfAborted();
      if (!(input instanceof ByteStream)) {
        for (const { source } of input.files) await source.checkUnchanged?.();
      }
      await pending.commit();
      const sizes = files.map(({ name, bytes: size }) => ({ name, bytes: size }));
      const totalBytes = sizes.reduce((sum, file) => sum + file.bytes, 0);
      const threads = Math.max(1, pool?.active ?? 1);
      return this.#result(
        { files: sizes, totalBytes, slackBytes: 0 },
        false,
        workspace.report,
        threads,
      );
    } catch (error) {
      // Threads may still read what is about to be closed.
      await pool?.close(error);
      await pending.abort();
      throw error;
    } finally {
      await pool?.close();
    }
  }

  #outputs(): OutputFile[] {
    return this.#kind === "directory"
      ? outputFiles(this.#plan, this.#options.maxShardSize)
      : [singleOutputFile(this.#plan, this.#place.fileName)];
  }

  #sizes(outputs: readonly OutputFile[]): OutputSizes {
    return this.#kind === "stdout"
      ? forwardSizes(this.#plan, "-")
      : exactSizes(this.#plan, outputs);
  }

  get #runOptions() {
    const { allowNonFinite, signal, onBytes } = this.#options;
    return {
      allowNonFinite,
      measureError: true,
      signal,
      onBytes,
      onTensor: (report: TensorReport) => {
        this.#totals = addToTotals(this.#totals, report);
        this.#options.onTensor?.(report);
      },
      onEarlier: (report: TensorReport) => {
        this.#totals = addToTotals(this.#totals, report);
        this.#resumed++;
        this.#options.onEarlier?.(report);
      },
    };
  }

  #convert(
    input: OpenedModel | ByteStream,
    outputs: readonly OutputFile[],
    pending: PendingOutput,
    workspace: Workspace,
    pool: JobPool | undefined,
  ): Promise<WrittenFile[]> {
    const create = (name: string) => pending.create(name);
    const options = { ...this.#runOptions, journal: pending.journal };
    if (!(input instanceof ByteStream)) {
      const { files } = input;
      if (pool === undefined) {
        return convertFiles(this.#plan, files, outputs, create, workspace, options);
      }
      const openerOf = fileOpener(this.#plan, files);
      return convertParallel(this.#plan, openerOf, outputs, create, workspace, pool, options);
    }
    const maxTensorBytes = this.#options.maxTensorBytes ?? MAX_TENSOR_BYTES;
    const streamOptions = { ...options, maxTensorBytes };
    return convertStream(this.#plan, input, outputs, create, workspace, streamOptions);
  }

  async #toStdout(input: OpenedModel | ByteStream, workspace: Workspace): Promise<OutputSizes> {
    const maxTensorBytes = this.#options.maxTensorBytes ?? MAX_TENSOR_BYTES;
    const written = await writeForward(
      this.#plan,
      async (unit) =>
        input instanceof ByteStream
          ? await streamReader(input, unit, maxTensorBytes)
          : unitReader(unit, input.files[unit.file] as SafetensorsFile),
      (bytes) => this.#place.emit(bytes),
      workspace,
      this.#runOptions,
    );
    if (input instanceof ByteStream) await input.expectEnd();
    return { files: [{ name: "-", bytes: written }], totalBytes: written, slackBytes: 0 };
  }

  #result(
    sizes: OutputSizes,
    dryRun: boolean,
    kernels?: KernelReport,
    threads = 1,
  ): QuantizeModelResult {
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
      threads,
      resumedTensors: this.#resumed,
    };
  }
}
