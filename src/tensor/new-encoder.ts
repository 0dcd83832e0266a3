/** The encoder of a coding's family. */

import { CodebookEncoder, type CodebookJob } from "./codebook-encoder.ts";
import type { EncodeJob, Encoder } from "./encoder.ts";
import { observesTensor, ScaledEncoder, type ScaledJob } from "./scaled-encoder.ts";
import type { Workspace } from "./workspace.ts";

export function newEncoder(workspace: Workspace, job: EncodeJob): Encoder {
  const { family } = job.coding;
  return family === "codebook" || family === "rows"
    ? new CodebookEncoder(workspace, job as CodebookJob)
    : new ScaledEncoder(workspace, job as ScaledJob);
}

/** Whether the tensor must be read twice: its scales need a statistic of all of it. */
export function readsTwice(job: EncodeJob): boolean {
  const { family } = job.coding;
  return (family === "affine" || family === "float") && observesTensor(job as ScaledJob);
}
