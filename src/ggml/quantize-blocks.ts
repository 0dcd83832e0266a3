/** `quantizeBlocks`: weights to the blocks of ggml. */

import type { FloatDtype } from "../foundation/dtype.ts";
import { floatBytes } from "../foundation/dtype.ts";
import { NonFiniteError } from "../foundation/errors.ts";
import type { BlockType } from "../schemes/ggml/block-types.ts";
import { type FloatArray, floatBytesOf } from "../tensor/float-array.ts";
import { checkRows, layoutOf, outOf } from "./options.ts";
import { type BlockKernelOptions, blocksAtOnce, type Window, windowOf } from "./window.ts";

export interface QuantizeBlocksOptions extends BlockKernelOptions {
  /** The block type, such as "Q4_K". */
  readonly type: BlockType;
  /** Elements of a row, a multiple of the type's block. @defaultValue all */
  readonly rowLength?: number;
  /** What a Uint16Array holds: "float16" or "bfloat16". */
  readonly dtype?: FloatDtype;
  /** Where the blocks go: u8[blocks · block bytes]. It is what is returned. */
  readonly out?: Uint8Array;
}

/**
 * The bytes that ggml's `ggml_quantize_chunk` writes for these weights without an importance
 * matrix, on a machine that does not contract products and sums: `docs/gguf.md`.
 *
 * @param weights rows one after another; a tensor may come in pieces of whole rows, or of whole
 *   blocks: no block depends on another
 * @throws NonFiniteError for NaN, infinity, and blocks whose scale float16 cannot hold
 * @throws ArgumentError
 * @example
 * const blocks = quantizeBlocks(weights, { type: "Q4_K", rowLength: 4096 });
 */
export function quantizeBlocks(weights: FloatArray, options: QuantizeBlocksOptions): Uint8Array {
  const { type, dtype, rowLength, kernels = "auto", module } = options;
  const { blockValues, blockBytes } = layoutOf(type);
  const input = floatBytesOf(weights, dtype, "weights");
  checkRows(type, input.elementCount, rowLength ?? input.elementCount);
  const blockCount = input.elementCount / blockValues;
  const out = outOf(options.out, blockCount * blockBytes);
  const window = windowOf(kernels, module);
  const step = blocksAtOnce(type);
  const valueBytes = blockValues * floatBytes(input.dtype);
  for (let at = 0; at < blockCount; at += step) {
    const count = Math.min(step, blockCount - at);
    const piece = input.bytes.subarray(at * valueBytes, (at + count) * valueBytes);
    place(window, input.dtype, piece, count * blockValues);
    const bad = window.kernels.quantize(type, window.valuesPtr, window.blocksPtr, count);
    if (bad >= 0) throw badBlock(window, type, bad, at + bad);
    const blocks = new Uint8Array(window.kernels.buffer, window.blocksPtr, count * blockBytes);
    out.set(blocks, at * blockBytes);
  }
  return out;
}

/** Puts floats of any dtype where kernels take f32. */
function place(window: Window, dtype: FloatDtype, bytes: Uint8Array, count: number): void {
  const { kernels, valuesPtr, halvesPtr } = window;
  const is16 = dtype !== "float32";
  new Uint8Array(kernels.buffer).set(bytes, is16 ? halvesPtr : valuesPtr);
  if (is16) kernels.dequantize(dtype === "float16" ? "F16" : "BF16", halvesPtr, valuesPtr, count);
}

/** @param block its place in the window; `index` that in all blocks */
function badBlock(window: Window, type: BlockType, block: number, index: number): NonFiniteError {
  const { blockValues } = layoutOf(type);
  const ptr = window.valuesPtr + 4 * block * blockValues;
  const values = new Float32Array(window.kernels.buffer, ptr, blockValues);
  const found = values.findIndex((value) => !Number.isFinite(value));
  let at = found;
  if (found < 0) {
    const most = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    at = values.findIndex((value) => Math.abs(value) === most);
  }
  const element = index * blockValues + at;
  const value = values[at] as number;
  const problem =
    found < 0
      ? `element ${element} is ${value}, too large for the 16-bit scale of a ${type} block; ` +
        "expected smaller weights. Repair them, or choose F32, BF16 or MXFP4"
      : `element ${element} is ${value}; expected a finite number. Repair the weights`;
  return new NonFiniteError(undefined, element, value, false, undefined, `weights: ${problem}`);
}
