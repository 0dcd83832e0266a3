/** Every kernel set that the suites run over. */

import type { KernelSet } from "../../src/kernels/kernel-set.ts";
import { createKernelSet } from "../../src/kernels/select.ts";

export interface Implementation {
  readonly name: string;
  create(): KernelSet;
}

export const IMPLEMENTATIONS: readonly Implementation[] = [
  { name: "reference", create: () => createKernelSet("reference").kernels },
  { name: "wasm", create: () => createKernelSet("wasm").kernels },
];
