/** The kernels of ggml's block types on WebAssembly SIMD. */

import { UnsupportedError } from "../../../foundation/errors.ts";
import { BLOCK_LAYOUTS, type BlockType, infinityOf } from "../../../schemes/ggml/block-types.ts";
import type { BlockKernels } from "../../block-kernels.ts";
import { quantizeBlocks } from "../../reference/ggml/block-kernels.ts";
import { growTo } from "../instantiate.ts";
import { BLOCK_EXPORT_NAMES, BLOCKS_ABI_VERSION, type BlockExports } from "./exports.ts";

/** Values that are checked, quantized and checked again while they are in L1. */
const TILE_VALUES = 8192;

/**
 * New ones with a memory of their own.
 *
 * @throws UnsupportedError when `module` is not a ggml.wasm of our version
 */
export function createWasmBlockKernels(module: WebAssembly.Module): BlockKernels {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(module, { env: { memory, abort: refuse } });
  const exports = checkedExports(instance);
  return {
    name: "wasm",
    simd: "baseline",
    heapBase: exports.heapBase(),
    get buffer() {
      return memory.buffer;
    },
    growTo: (end) => growTo(memory, end),

    quantize(type, valuesPtr, blocksPtr, blockCount) {
      const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
      const step = TILE_VALUES / blockValues;
      let first = -1;
      for (let at = 0; at < blockCount; at += step) {
        const count = Math.min(step, blockCount - at);
        const values = valuesPtr + 4 * at * blockValues;
        const bad = exports.firstNonFinite(values, count * blockValues);
        const finite = bad < 0 ? count : Math.floor(bad / blockValues);
        const blocks = blocksPtr + at * blockBytes;
        quantizeFinite(exports, memory.buffer, type, values, blocks, finite);
        const overflow = firstOverflow(exports, type, blocks, finite);
        if (first < 0 && overflow >= 0) first = at + overflow;
        if (bad >= 0) return first < 0 ? at + finite : first;
      }
      return first;
    },

    dequantize: (type, ...call) => exports[`dequantize${type}`](...call),
  };
}

/** What a kernel leaves undone, because its arithmetic might differ there, the reference does. */
function quantizeFinite(
  exports: BlockExports,
  buffer: ArrayBuffer,
  type: BlockType,
  valuesPtr: number,
  blocksPtr: number,
  blockCount: number,
): void {
  const { blockValues, blockBytes } = BLOCK_LAYOUTS[type];
  const kernel = exports[`quantize${type}`];
  let done = 0;
  while (done < blockCount) {
    const values = valuesPtr + 4 * done * blockValues;
    const blocks = blocksPtr + done * blockBytes;
    const written = kernel(values, blocks, blockCount - done);
    done += written;
    if (done === blockCount) return;
    const [value, block] = [values + 4 * written * blockValues, blocks + written * blockBytes];
    quantizeBlocks(buffer, type, value, block, 1);
    done++;
  }
}

/** The first block with an infinite scale, or minimum; −1 if there is none. */
function firstOverflow(
  exports: BlockExports,
  type: BlockType,
  blocksPtr: number,
  blockCount: number,
): number {
  const { halves, blockBytes } = BLOCK_LAYOUTS[type];
  const found = halves
    .map((at) => exports.firstInfinite(blocksPtr + at, blockBytes, blockCount, infinityOf(type)))
    .filter((block) => block >= 0);
  return found.length === 0 ? -1 : Math.min(...found);
}

function checkedExports(instance: WebAssembly.Instance): BlockExports {
  // The engine types exports as unknown; the check that follows is what makes this true.
  const exports = instance.exports as unknown as BlockExports;
  const missing = BLOCK_EXPORT_NAMES.filter((name) => typeof exports[name] !== "function");
  if (missing.length > 0 || exports.abiVersion() !== BLOCKS_ABI_VERSION) {
    throw new UnsupportedError(
      `kernels: expected a ggml.wasm with ABI ${BLOCKS_ABI_VERSION}, received ` +
        (missing.length > 0 ? `one without ${missing[0]}` : `ABI ${exports.abiVersion()}`),
    );
  }
  return exports;
}

/** Only the debug build imports it: an assertion failed. */
function refuse(_message: number, _file: number, line: number, column: number): never {
  throw new Error(`kernel assertion failed at ${line}:${column}`);
}
