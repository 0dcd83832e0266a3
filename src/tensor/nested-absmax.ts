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
export function meanOf(absmax: Float32Array, mode: QuantMode): number {
  if (absmax.length === 0) return 0;
  let sum = 0;
  for (let i = 0; i < absmax.length; i++) sum += absmax[i] as number;
  if (mode === "cuda") {
    return Math.fround(Math.fround(sum) * Math.fround(1 / absmax.length));
  }
  return Math.fround(sum / absmax.length);
}

/** Quantizes `absmax` a second time. `offset` replaces the mean when it is given. */
export function nestAbsmax(
  workspace: Workspace,
  mode: QuantMode,
  absmax: Float32Array,
  offset: number = meanOf(absmax, mode),
): { codes: Uint8Array<ArrayBuffer>; nested: NestedAbsmax } {
  const codebook = dynamic8();
  const blocks = Math.ceil(absmax.length / NESTED_BLOCK_SIZE);
  const codes = new Uint8Array(absmax.length);
  const nestedAbsmax = new Float32Array(blocks);
  const window = Math.min(WINDOW, absmax.length);
  const valuesPtr = workspace.reserve("nested values", window * 4);
  const codesPtr = workspace.reserve("nested codes", window);
  const absmaxPtr = workspace.reserve("nested absmax", (window / NESTED_BLOCK_SIZE + 1) * 4);

  for (let start = 0; start < absmax.length; start += WINDOW) {
    const count = Math.min(WINDOW, absmax.length - start);
    subtract(absmax.subarray(start, start + count), offset, workspace.floats(valuesPtr, count));
    workspace.kernels.quantize8(
      codebook,
      mode,
      "float32",
      valuesPtr,
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

/** A function of its own: in the loop over windows V8 takes four times as long. */
function subtract(values: Float32Array, offset: number, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = (values[i] as number) - offset;
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
