/** What the main job is told, and what it tells. */

import type { Plan, PlanOptions } from "../checkpoint/plan.ts";
import type { TensorReport, Totals } from "../checkpoint/report.ts";
import type { FloatDtype } from "../foundation/dtype.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { KernelReport } from "../kernels/select.ts";

export interface QuantizeModelOptions extends PlanOptions {
  /** A config.json to use instead of the one beside the model; a stream has none of its own. */
  readonly config?: string;
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
  /**
   * Threads that compute, for files in and files out; the bytes are the same with any number.
   * @defaultValue 1, which keeps up with `cp` of the same file
   */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** For a model at an address; see `openModel`. */
  readonly token?: string;
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
  /** Threads that computed. */
  readonly threads: number;
}

/** "-" is standard input or output; a file ends in ".safetensors"; all else is a directory. */
export type OutputKind = "stdout" | "file" | "directory";

export function outputKindOf(output: string): OutputKind {
  if (output === "-") return "stdout";
  return output.endsWith(".safetensors") ? "file" : "directory";
}
