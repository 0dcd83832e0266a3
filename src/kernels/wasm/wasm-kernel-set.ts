/** The kernel contract on WebAssembly SIMD. */

import { ArgumentError } from "../../foundation/errors.ts";
import type { KernelSet } from "../kernel-set.ts";
import { AffineKernels } from "./affine.ts";
import { Arena } from "./arena.ts";
import { BlockDequantizer } from "./dequantize-blocks.ts";
import { embeddingKernels } from "./embeddings.ts";
import { FloatCasts } from "./float-casts.ts";
import { FloatKernels } from "./float-kernels.ts";
import { type HostMemory, instantiateKernels } from "./instantiate.ts";
import { Int8Rows } from "./int8-rows.ts";
import { BlockQuantizer } from "./quantize-blocks.ts";

/**
 * A new set.
 *
 * @param module a compiled kernels.wasm
 * @param host the memory to work in; without it the set has its own
 */
export function createWasmKernelSet(module: WebAssembly.Module, host?: HostMemory): KernelSet {
  const instance = instantiateKernels(module, host?.memory);
  const { exports, memory } = instance;
  const arena = new Arena(instance, host);
  const floats = new FloatKernels(exports, arena);
  const quantizer = new BlockQuantizer(exports, arena, floats);
  const dequantizer = new BlockDequantizer(exports, arena, floats);
  const rows = new Int8Rows(exports, arena, floats);
  const affine = new AffineKernels(exports, floats);
  const casts = new FloatCasts(exports, arena, floats);

  return {
    name: "wasm",
    simd: exports.isRelaxed() === 1 ? "relaxed" : "baseline",
    get buffer() {
      return memory.buffer;
    },
    allocate: (byteCount) => arena.allocate(byteCount),

    absmax(input, valuesPtr, absmaxPtr, elementCount, blockSize) {
      floats.absmax(input, valuesPtr, absmaxPtr, elementCount, blockSize);
    },

    quantize4(codebook, mode, input, ...places) {
      checkBlockSize4(places[4]);
      return quantizer.run(quantizer.plan4(codebook, mode, input), ...places);
    },

    dequantize4(...call) {
      checkBlockSize4(call[6]);
      dequantizer.run4(...call);
    },

    quantize8: (codebook, mode, input, ...places) =>
      quantizer.run(quantizer.plan8(codebook, mode, input), ...places),

    dequantize8: (...call) => dequantizer.run8(...call),
    quantizeInt8Rows: (...call) => rows.quantize(...call),
    dequantizeInt8Rows: (...call) => rows.dequantize(...call),
    convert: (...call) => floats.convert(...call),
    sum: (...call) => exports.sumF32(...call),
    subtract: (...call) => exports.subtractF32(...call),

    range: (...call) => affine.range(...call),
    affineParameters: (...call) => affine.parameters(...call),
    quantizeAffine: (...call) => affine.quantize(...call),
    dequantizeAffine: (...call) => affine.dequantize(...call),
    quantizeFloat: (...call) => casts.quantize(...call),
    dequantizeFloat: (...call) => casts.dequantize(...call),
    packNibbles: (...call) => exports.packNibbles(...call),
    unpackNibbles: (packedPtr, codesPtr, elementCount, signed) =>
      exports.unpackNibbles(packedPtr, codesPtr, elementCount, signed ? 8 : 0),
    ...embeddingKernels(exports),
  };
}

/** Kernels take 32 values at a time, and a block of 4-bit codes must fit a tile. */
function checkBlockSize4(blockSize: number): void {
  if (blockSize >= 32 && blockSize <= 4096 && (blockSize & (blockSize - 1)) === 0) return;
  throw new ArgumentError("blockSize", "a power of two from 32 to 4096", blockSize);
}
