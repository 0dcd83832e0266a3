/** One run of the main job, when its input is open and its plan can be made. */

import { basename } from "node:path";
import { ByteStream } from "../checkpoint/byte-stream.ts";
import { identityOf, type ModelConfig } from "../checkpoint/config/model-config.ts";
import { quantizedConfigText } from "../checkpoint/config/quantization-config.ts";
import {
  convertFiles,
  convertStream,
  fileOpener,
  type WrittenFile,
} from "../checkpoint/convert.ts";
import { convertParallel } from "../checkpoint/convert-parallel.ts";
import { writeForward } from "../checkpoint/forward-file.ts";
import {
  exactSizes,
  forwardSizes,
  type OutputFile,
  type OutputSizes,
  outputFiles,
  singleOutputFile,
} from "../checkpoint/output-plan.ts";
import { Plan } from "../checkpoint/plan.ts";
import { MAX_TENSOR_BYTES } from "../checkpoint/quantize-stream.ts";
import { addToTotals, NO_TOTALS, reportOf, type TensorReport } from "../checkpoint/report.ts";
import type { SourceFile } from "../checkpoint/source-file.ts";
import { refuseTooLargeUnits, streamReader, unitReader } from "../checkpoint/unit-reader.ts";
import { warningsOf } from "../checkpoint/warnings.ts";
import type { SafetensorsFile } from "../formats/safetensors/index.ts";
import { printable } from "../foundation/errors.ts";
import type { KernelReport } from "../kernels/select.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import type { Workspace } from "../tensor/workspace.ts";
import type { ThreadPool } from "../threads/pool.ts";
import type { ModelInput } from "./model-input.ts";
import { type PendingOutput, pendingDirectory, pendingFile } from "./output.ts";
import type { OutputKind, QuantizeModelOptions, QuantizeModelResult } from "./quantize-options.ts";
import { writeStdout } from "./stdout.ts";
import { createThreadPool } from "./threads.ts";
import { copySidecars, writeConfig, writeIndex } from "./write-directory.ts";

export class QuantizeJob {
  readonly #output: string;
  readonly #kind: OutputKind;
  readonly #options: QuantizeModelOptions;
  readonly #config: ModelConfig | undefined;
  readonly #plan: Plan;
  readonly #warnings: string[];
  #totals = NO_TOTALS;

  constructor(
    output: string,
    kind: OutputKind,
    options: QuantizeModelOptions,
    config: ModelConfig | undefined,
    files: readonly SourceFile[],
    leftOut: readonly string[] = [],
  ) {
    this.#output = output;
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
  async run(input: ModelInput | ByteStream, model?: ModelInput): Promise<QuantizeModelResult> {
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
    const pending = await this.#pending();
    const { signal } = this.#options;
    let pool: ThreadPool | undefined;
    try {
      pool = this.#newPool(input);
      // The small files first: what an address does not give is known before the long work.
      if (this.#kind === "directory") {
        if (model !== undefined) await copySidecars(pending, model, signal);
        await writeConfig(pending, configText);
      }
      const files = await this.#convert(input, outputs, pending, workspace, pool);
      if (this.#kind === "directory") await writeIndex(pending, this.#plan, outputs, files);
      signal?.throwIfAborted();
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
      pool?.close(error);
      await pending.abort();
      throw error;
    } finally {
      pool?.close();
    }
  }

  /** One thread keeps up with a disk: more are started where they are asked for. */
  #newPool(input: ModelInput | ByteStream): ThreadPool | undefined {
    const { threads = 1, kernels } = this.#options;
    if (input instanceof ByteStream || threads === 1) return undefined;
    return createThreadPool({ threads, ...(kernels === undefined ? {} : { kernels }) });
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
    workspace: Workspace,
    pool: ThreadPool | undefined,
  ): Promise<WrittenFile[]> {
    const create = (name: string) => pending.create(name);
    const options = this.#runOptions;
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

  async #toStdout(input: ModelInput | ByteStream, workspace: Workspace): Promise<OutputSizes> {
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
    };
  }
}
