/** Chooses the kernels, and says why. */

import { UnsupportedError } from "../foundation/errors.ts";
import type { KernelChoice, KernelSet } from "./kernel-set.ts";
import { createReferenceKernelSet } from "./reference/reference-kernel-set.ts";

/** Which kernels run, and the reason in words. */
export interface KernelReport {
  readonly name: "wasm" | "reference";
  readonly reason: string;
}

export interface KernelSetOptions {
  /** A compiled kernels.wasm, for runtimes that forbid compiling bytes. */
  readonly module?: WebAssembly.Module;
}

/**
 * A new set with its own memory.
 *
 * @throws UnsupportedError when "wasm" was asked for and cannot run here
 */
export function createKernelSet(
  choice: KernelChoice = "auto",
  _options: KernelSetOptions = {},
): { kernels: KernelSet; report: KernelReport } {
  if (choice === "wasm") throw new UnsupportedError("kernels: wasm is not built yet");
  const reason = choice === "reference" ? "asked for" : "wasm is not built yet";
  return { kernels: createReferenceKernelSet(), report: { name: "reference", reason } };
}
