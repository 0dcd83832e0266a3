/** Which kernel takes the runs of a call, and with what arguments. */

import type { ScaleRuns } from "../kernel-set.ts";
import type { ColumnArguments, RunArguments } from "./exports.ts";

export type KernelRuns =
  | { readonly each: "run"; readonly args: RunArguments }
  | { readonly each: "value"; readonly args: ColumnArguments };

/** @param elementCount  at least 1 */
export function kernelRuns(elementCount: number, runs: ScaleRuns): KernelRuns {
  const { rowLength, startColumn, scaleCount } = runs;
  const runLength = Math.min(runs.runLength, rowLength);
  const scale = runs.firstScale % scaleCount;
  // One scale for all: where rows and runs end makes no difference.
  if (scaleCount === 1) {
    const n = elementCount;
    return { each: "run", args: [n, n, n, n, 0, 1] };
  }
  if (runLength === 1) return { each: "value", args: [scale, scaleCount] };
  // Kernels count in 32 bits; what lies behind the last element does not matter to them.
  const clipped = (length: number) => Math.min(length, elementCount);
  return {
    each: "run",
    args: [
      clipped(rowLength - startColumn),
      clipped(runLength - (startColumn % runLength)),
      clipped(rowLength),
      clipped(runLength),
      scale,
      scaleCount,
    ],
  };
}
