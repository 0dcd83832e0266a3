/** One workspace per kernel choice for the synchronous functions, made at their first call. */

import type { KernelChoice } from "../kernels/kernel-set.ts";
import { createKernelSet, type KernelReport } from "../kernels/select.ts";
import { Workspace } from "./workspace.ts";

const workspaces = new Map<KernelChoice, Workspace>();

export function newWorkspace(
  choice: KernelChoice = "auto",
  module?: WebAssembly.Module,
): Workspace {
  const chosen = createKernelSet(choice, { module });
  return new Workspace(chosen.kernels, chosen.report);
}

export function sharedWorkspace(choice: KernelChoice = "auto"): Workspace {
  let workspace = workspaces.get(choice);
  if (workspace === undefined) {
    workspace = newWorkspace(choice);
    workspaces.set(choice, workspace);
  }
  return workspace;
}

/**
 * Which kernels this runtime gets, and why. The first look at it makes them, as the first call of
 * `quantize` would.
 *
 * @example
 * kernels.reason; // "WebAssembly SIMD runs here, relaxed: validated and self-tested"
 */
export const kernels: KernelReport = {
  get name(): KernelReport["name"] {
    return sharedWorkspace().report.name;
  },
  get simd(): KernelReport["simd"] {
    return sharedWorkspace().report.simd;
  },
  get reason(): string {
    return sharedWorkspace().report.reason;
  },
};
