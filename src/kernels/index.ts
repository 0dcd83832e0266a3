/**
 * `quantwise/kernels`: the kernels without a layer above them, for engines that keep weights in
 * WebAssembly memory. Nothing is copied: allocate, get views, run in place; or let the kernels work in
 * the engine's own memory.
 *
 * @example
 * import { createKernelSet } from "quantwise/kernels";
 * import { NF4 } from "quantwise/schemes";
 * const { kernels } = createKernelSet();
 * const values = kernels.allocate(4 * 4096);
 * const codes = kernels.allocate(2048);
 * const absmax = kernels.allocate(4 * 64);
 * new Float32Array(kernels.buffer, values, 4096).set(weights);
 * kernels.quantize4(NF4, "torch", "float32", values, codes, absmax, 4096, 64);
 */

export type { FloatDtype } from "../foundation/dtype.ts";
export type { AffineFormat } from "../schemes/affine.ts";
export type { Codebook, QuantMode } from "../schemes/codebook.ts";
export type { FloatFormat } from "../schemes/float-format.ts";
export type { EmbeddingKernels } from "./embedding-kernels.ts";
export type { KernelChoice, KernelSet, ScaleRuns, SimdBuild } from "./kernel-set.ts";
export {
  type ChosenKernels,
  createKernelSet,
  type KernelReport,
  type KernelSetOptions,
} from "./select.ts";
export { ABI_VERSION, EXPORT_NAMES, type KernelExports } from "./wasm/exports.ts";
export type { HostMemory } from "./wasm/instantiate.ts";
