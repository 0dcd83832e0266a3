/** The way back: a quantized checkpoint in, a plain one out that any loader takes. */

import { basename } from "node:path";
import { configDtype, identityOf } from "../checkpoint/config/model-config.ts";
import { packedScheme, plainConfigText } from "../checkpoint/config/plain-config.ts";
import { convertUnits } from "../checkpoint/convert.ts";
import {
  exactSizes,
  type OutputFile,
  outputFiles,
  singleOutputFile,
} from "../checkpoint/output-plan.ts";
import { copySidecars, writeConfig, writeIndex } from "../checkpoint/pending-output.ts";
import { DequantizePlan } from "../checkpoint/stored/dequantize-plan.ts";
import { StoredModel } from "../checkpoint/stored/stored-model.ts";
import { FLOAT_DTYPES, type FloatDtype } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { KernelReport } from "../kernels/select.ts";
import type { QuantType } from "../schemes/registry.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import { oneOf } from "../tensor/options.ts";
import type { Workspace } from "../tensor/workspace.ts";
import { checkOutput, refuseGgufOutput } from "./check-output.ts";
import { type ModelInput, openModel } from "./model-input.ts";
import { pendingDirectory, pendingFile } from "./output.ts";
import { outputKindOf, type PlannedJob } from "./quantize-options.ts";

export interface DequantizeModelOptions {
  /** dtype of the expanded weights. @defaultValue each weight's own before quantization */
  readonly dtype?: FloatDtype;
  /** A config.json to use instead of the one beside the model. */
  readonly config?: string;
  /** Bytes of a shard. @defaultValue 5e9 */
  readonly maxShardSize?: number;
  /** Replace an existing output. @defaultValue false */
  readonly overwrite?: boolean;
  /** Plan only: nothing is created. @defaultValue false */
  readonly dryRun?: boolean;
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  readonly signal?: AbortSignal;
  /** For a model at an address; see `openModel`. */
  readonly token?: string;
  readonly onPlan?: (plan: PlannedJob) => void;
  /** Bytes that were written since the last call. */
  readonly onBytes?: (byteCount: number) => void;
  /** Called after each tensor. */
  readonly onTensor?: (tensor: ExpandedTensor) => void;
}

export interface ExpandedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** safetensors dtype of the output. */
  readonly dtype: string;
  /** What it was quantized as; undefined for a tensor that is copied. */
  readonly quantType?: QuantType;
}

export interface DequantizeModelResult {
  readonly dryRun: boolean;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Bytes of the source's tensors, and of all output files of weights. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Weights that were expanded, and tensors that were copied as they are. */
  readonly expanded: number;
  readonly copied: number;
  readonly kernels: KernelReport;
}

/**
 * Expands the model at `input`, in any layout that quantwise reads, into `output`. Tensors that are
 * not quantized are copied as they are, whatever `dtype` says.
 *
 * @param input as of `openModel`
 * @param output a .safetensors file, or a directory
 * @throws ArgumentError, PlanError (nothing is quantized), FormatError, StorageError, or the
 * signal's reason; in every case the output's name is untouched
 */
export async function dequantizeModel(
  input: string,
  output: string,
  options: DequantizeModelOptions = {},
): Promise<DequantizeModelResult> {
  const { dtype } = options;
  if (dtype !== undefined) oneOf("dtype", FLOAT_DTYPES, dtype);
  refuseGgufOutput(output, "dequantizeGguf");
  const kind = outputKindOf(output);
  if (input === "-" || kind === "stdout") {
    const which = input === "-" ? "model" : "output";
    throw new ArgumentError(which, "a file or a directory: scales lie behind their codes", "-");
  }
  await checkOutput(input, output, kind, options.overwrite === true);
  const model = await openModel(input, options);
  try {
    return await expand(model, output, kind, options);
  } finally {
    await model.close();
  }
}

async function expand(
  model: ModelInput,
  output: string,
  kind: "file" | "directory",
  options: DequantizeModelOptions,
): Promise<DequantizeModelResult> {
  const stored = await openStored(model);
  const plan = new DequantizePlan(stored, identityOf(model.config), options.dtype);
  const outputs =
    kind === "directory"
      ? outputFiles(plan, options.maxShardSize)
      : [singleOutputFile(plan, basename(output))];
  const { files, totalBytes } = exactSizes(plan, outputs);
  const bytes = [...plan.units()].reduce((sum, { entry }) => sum + entry.end - entry.begin, 0);
  options.onPlan?.({ tensors: plan.length, bytes, warnings: [] });
  const workspace = newWorkspace(options.kernels);
  if (options.dryRun !== true) {
    await write(plan, model, outputs, { output, kind, workspace, options });
  }
  return {
    dryRun: options.dryRun === true,
    files,
    bytesBefore: model.files.reduce((sum, { table }) => sum + table.dataBytes, 0),
    bytesAfter: totalBytes,
    expanded: stored.quantized,
    copied: plan.length - stored.quantized,
    kernels: workspace.report,
  };
}

/** The weights of a model on disk, quantized or not. */
export function openStored({ files, config }: ModelInput): Promise<StoredModel> {
  return StoredModel.open(files, {
    dtype: configDtype(config),
    packedScheme: packedScheme(config),
  });
}

interface WriteJob {
  readonly output: string;
  readonly kind: "file" | "directory";
  readonly workspace: Workspace;
  readonly options: DequantizeModelOptions;
}

async function write(
  plan: DequantizePlan,
  model: ModelInput,
  outputs: readonly OutputFile[],
  { output, kind, workspace, options }: WriteJob,
): Promise<void> {
  const { signal, onBytes, onTensor, dtype, overwrite = false } = options;
  const pending =
    kind === "directory"
      ? await pendingDirectory(output, { overwrite })
      : await pendingFile(output, { overwrite });
  const quantTypes = new Map<string, QuantType>();
  for (let index = 0; index < plan.length; index++) {
    const tensor = plan.tensor(index);
    if (tensor.kind === "quantized")
      quantTypes.set(tensor.weight.name, tensor.weight.coding.quantType);
  }
  const tell = (name: string, shape: readonly number[], as: string) => {
    const quantType = quantTypes.get(name);
    onTensor?.({ name, shape, dtype: as, ...(quantType === undefined ? {} : { quantType }) });
  };
  try {
    // The small files first: what an address does not give is known before the long work.
    if (kind === "directory") {
      await copySidecars(pending, model, signal);
      if (model.config !== undefined) {
        await writeConfig(pending, plainConfigText(model.config, dtype));
      }
    }
    const written = await convertUnits(
      plan,
      (index) => plan.open(index, model.files, workspace),
      outputs,
      (name) => pending.create(name),
      workspace,
      { signal, onBytes, onTensor: ({ name, shape, dtype: as }) => tell(name, shape, as) },
    );
    if (kind === "directory") await writeIndex(pending, plan, outputs, written);
    signal?.throwIfAborted();
    await pending.commit();
  } catch (error) {
    await pending.abort();
    throw error;
  }
}
