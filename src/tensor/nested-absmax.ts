/**
 * Double quantization: the first-level absmax as 8-bit codes of bitsandbytes' dynamic map.
 *
 *   offset = mean(absmax)        y[j] = fl(absmax[j] − offset)
 *   (codes, absmax₂) = 8-bit blockwise quantization of y, 256 elements a block
 *
 * Source: bitsandbytes `functional.py`, `quantize_4bit(compress_statistics=True)`.
 */

import type { QuantMode } from "../schemes/codebook.ts";
import { dynamic8 } from "../schemes/dynamic8.ts";
import type { NestedAbsmax } from "./quantized-tensor.ts";
import type { Workspace } from "./workspace.ts";

/** The only second-level block size that bitsandbytes' matrix products accept. */
export const NESTED_BLOCK_SIZE = 256;

/** Absmax values that go through the kernel at once; whole second-level blocks. */
const WINDOW = NESTED_BLOCK_SIZE * 256;

/**
 * The mean that becomes the offset.
 *
 * Mode `torch`: the f64 sum in order, divided and rounded once, so that every engine and thread
 * count agrees (PyTorch's own f32 order is within 2 ulp). Mode `cuda`: fl(fl(sum) · fl(1 / n)), as
 * PyTorch's CUDA reduction projects its sum.
 */
function meanOf(workspace: Workspace, absmax: Float32Array, mode: QuantMode): number {
  if (absmax.length === 0) return 0;
  let sum = 0;
  for (const { ptr, count } of windows(workspace, absmax)) {
    sum = workspace.kernels.sum(ptr, count, sum);
  }
  if (Number.isNaN(sum)) return NaN;
  if (mode === "cuda") {
    return Math.fround(Math.fround(sum) * Math.fround(1 / absmax.length));
  }
  return Math.fround(sum / absmax.length);
}

/** Copies window after window into kernel memory. */
function* windows(workspace: Workspace, absmax: Float32Array) {
  const ptr = workspace.reserve("nested values", 4 * Math.min(WINDOW, absmax.length));
  for (let start = 0; start < absmax.length; start += WINDOW) {
    const count = Math.min(WINDOW, absmax.length - start);
    workspace.floats(ptr, count).set(absmax.subarray(start, start + count));
    yield { ptr, start, count };
  }
}

/** Quantizes `absmax` a second time. `offset` replaces the mean when it is given. */
export function nestAbsmax(
  workspace: Workspace,
  mode: QuantMode,
  absmax: Float32Array,
  offset: number = meanOf(workspace, absmax, mode),
): { codes: Uint8Array<ArrayBuffer>; nested: NestedAbsmax } {
  const codebook = dynamic8();
  const blocks = Math.ceil(absmax.length / NESTED_BLOCK_SIZE);
  const codes = new Uint8Array(absmax.length);
  const nestedAbsmax = new Float32Array(blocks);
  const window = Math.min(WINDOW, absmax.length);
  const codesPtr = workspace.reserve("nested codes", window);
  const absmaxPtr = workspace.reserve("nested absmax", (window / NESTED_BLOCK_SIZE + 1) * 4);

  for (const { ptr, start, count } of windows(workspace, absmax)) {
    workspace.kernels.subtract(ptr, count, offset);
    workspace.kernels.quantize8(
      codebook,
      mode,
      "float32",
      ptr,
      codesPtr,
      absmaxPtr,
      count,
      NESTED_BLOCK_SIZE,
    );
    codes.set(workspace.bytes(codesPtr, count), start);
    nestedAbsmax.set(
      workspace.floats(absmaxPtr, Math.ceil(count / NESTED_BLOCK_SIZE)),
      start / NESTED_BLOCK_SIZE,
    );
  }
  return {
    codes,
    nested: {
      blockSize: NESTED_BLOCK_SIZE,
      absmax: nestedAbsmax,
      offset,
      levels: codebook.levels,
    },
  };
}

/** absmax[j] = fl(fl(levels[codes[j]] · nested.absmax[⌊j / blockSize⌋]) + offset): two roundings. */
export function unnestAbsmax(
  codes: Uint8Array,
  nested: NestedAbsmax,
  start = 0,
  end = codes.length,
): Float32Array<ArrayBuffer> {
  const absmax = new Float32Array(end - start);
  for (let j = start; j < end; j++) {
    const level = nested.levels[codes[j] as number] as number;
    const scale = nested.absmax[Math.floor(j / nested.blockSize)] as number;
    absmax[j - start] = Math.fround(level * scale) + nested.offset;
  }
  return absmax;
}
