/** Kernels and the part of their memory that weights pass through: one for each choice. */

import type { BlockKernels } from "../kernels/block-kernels.ts";
import type { KernelChoice } from "../kernels/kernel-set.ts";
import type { KernelReport } from "../kernels/select.ts";
import { createBlockKernels } from "../kernels/select-blocks.ts";
import { BLOCK_LAYOUTS, type BlockType } from "../schemes/ggml/block-types.ts";

/** Values that go through at once: 1 MB of f32, a multiple of every block. */
const WINDOW_VALUES = 1 << 18;

/** Which kernels are to run. */
export interface BlockKernelOptions {
  /** @defaultValue "auto" */
  readonly kernels?: KernelChoice;
  /** A compiled `quantwise/ggml.wasm`, for runtimes that forbid compiling bytes. */
  readonly module?: WebAssembly.Module;
}

export interface Window {
  readonly kernels: BlockKernels;
  readonly report: KernelReport;
  /** f32[valueCount], and blocks of any type for as many; then as many 16-bit floats. */
  readonly valuesPtr: number;
  readonly blocksPtr: number;
  readonly halvesPtr: number;
}

type Windows = Map<KernelChoice, Window>;

const embedded: Windows = /* @__PURE__ */ new Map();
const byModule = /* @__PURE__ */ new WeakMap<WebAssembly.Module, Windows>();

/** One window for each choice, and for each module of a caller. */
export function windowOf(choice: KernelChoice, module?: WebAssembly.Module): Window {
  const windows = windowsOf(module);
  let window = windows.get(choice);
  if (window === undefined) {
    const { kernels, report } = createBlockKernels(choice, module);
    const valuesPtr = Math.ceil(kernels.heapBase / 64) * 64;
    const blocksPtr = valuesPtr + 4 * WINDOW_VALUES;
    const halvesPtr = blocksPtr + 4 * WINDOW_VALUES;
    kernels.growTo(halvesPtr + 2 * WINDOW_VALUES);
    window = { kernels, report, valuesPtr, blocksPtr, halvesPtr };
    windows.set(choice, window);
  }
  return window;
}

function windowsOf(module: WebAssembly.Module | undefined): Windows {
  if (module === undefined) return embedded;
  const held = byModule.get(module);
  if (held !== undefined) return held;
  const windows: Windows = new Map();
  byModule.set(module, windows);
  return windows;
}

/** Which kernels run for these options, and why. @throws UnsupportedError for "wasm" that does not run */
export function blockKernels(options: BlockKernelOptions = {}): KernelReport {
  return windowOf(options.kernels ?? "auto", options.module).report;
}

/** Blocks that go through at once. */
export function blocksAtOnce(type: BlockType): number {
  return WINDOW_VALUES / BLOCK_LAYOUTS[type].blockValues;
}
