/** Every kernel set that the suites run over. */

import type { KernelSet } from "../../src/kernels/kernel-set.ts";
import { createReferenceKernelSet } from "../../src/kernels/reference/reference-kernel-set.ts";
import { embeddedModule } from "../../src/kernels/wasm/embedded-module.ts";
import { acceptsRelaxedSimd } from "../../src/kernels/wasm/relaxed-simd.ts";
import { createWasmKernelSet } from "../../src/kernels/wasm/wasm-kernel-set.ts";
import { engineMemory } from "./engine-memory.ts";

export interface Implementation {
  readonly name: string;
  create(): KernelSet;
}

export const IMPLEMENTATIONS: readonly Implementation[] = [
  { name: "reference", create: createReferenceKernelSet },
  { name: "wasm", create: () => createWasmKernelSet(embeddedModule("baseline")) },
  {
    name: "wasm in an engine's memory",
    create: () => createWasmKernelSet(embeddedModule("baseline"), engineMemory()),
  },
  // Not in Node 20: the suite of all runtimes compares both builds, too.
  ...(acceptsRelaxedSimd()
    ? [{ name: "wasm relaxed", create: () => createWasmKernelSet(embeddedModule("relaxed")) }]
    : []),
];
