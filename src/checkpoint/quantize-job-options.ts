/** What the main job is told, and what it tells, wherever it runs. */

import type { FloatDtype } from "../foundation/dtype.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { KernelReport } from "../kernels/select.ts";
import type { Plan, PlanOptions } from "./plan.ts";
import type { TensorReport, Totals } from "./report.ts";

export interface QuantizeJobOptions extends PlanOptions {
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
  /** Called instead for a tensor that an earlier run has written, when one is resumed. */
  readonly onEarlier?: (report: TensorReport) => void;
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
  /** Tensors that an earlier run had written. */
  readonly resumedTensors: number;
}

/** "stdout" is a stream, written from front to back. */
export type OutputKind = "stdout" | "file" | "directory";
