/** One workspace per kernel choice for the synchronous functions, made at their first call. */

import type { KernelChoice } from "../kernels/kernel-set.ts";
import { createKernelSet, type KernelReport } from "../kernels/select.ts";
import { oneOf } from "./options.ts";
import { Workspace } from "./workspace.ts";

const workspaces = new Map<KernelChoice, Workspace>();

export function newWorkspace(
  choice: KernelChoice = "auto",
  module?: WebAssembly.Module,
): Workspace {
  oneOf("kernels", ["auto", "wasm", "reference"], choice);
  const { kernels, report } = createKernelSet(choice, module === undefined ? {} : { module });
  return new Workspace(kernels, report);
}

export function sharedWorkspace(choice: KernelChoice = "auto"): Workspace {
  let workspace = workspaces.get(choice);
  if (workspace === undefined) {
    workspace = newWorkspace(choice);
    workspaces.set(choice, workspace);
  }
  return workspace;
}

/** Which kernels this runtime gets for a choice, and why. @throws UnsupportedError for "wasm" */
export function kernelReport(choice: KernelChoice = "auto"): KernelReport {
  return sharedWorkspace(choice).report;
}
