/** Chooses the kernels of ggml's block types, and says why. */

import type { BlockKernels } from "./block-kernels.ts";
import type { KernelChoice } from "./kernel-set.ts";
import { createReferenceBlockKernels } from "./reference/ggml/block-kernels.ts";
import type { KernelReport } from "./select.ts";

/** What was chosen, with its own memory. */
export interface ChosenBlockKernels {
  readonly kernels: BlockKernels;
  readonly report: KernelReport;
}

export function createBlockKernels(_choice: KernelChoice = "auto"): ChosenBlockKernels {
  const kernels = createReferenceBlockKernels();
  return { kernels, report: { name: kernels.name, simd: kernels.simd, reason: "asked for" } };
}
