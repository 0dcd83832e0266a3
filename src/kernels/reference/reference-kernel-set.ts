/** The kernels in scalar TypeScript: openly slow, the oracle, and the fallback without SIMD. */

import type { KernelSet } from "../kernel-set.ts";
import { affineParameters, dequantizeAffine, extendRange, quantizeAffine } from "./affine.ts";
import { absmaxOf } from "./block-scale.ts";
import { dequantizeBlocks, quantizeBlocks } from "./codebook.ts";
import { convertFloats } from "./convert.ts";
import {
  columnExtremes,
  dequantizeColumns,
  dotCodes,
  hammingDistances,
  packSigns,
  quantizeColumns,
} from "./embeddings.ts";
import { dequantizeFloat, quantizeFloat } from "./float-cast.ts";
import { floatView } from "./float-view.ts";
import { dequantizeRows, quantizeRows } from "./int8-rows.ts";
import { packNibbles, unpackNibbles } from "./nibbles.ts";
import { subtract, sumInOrder } from "./sum.ts";

/** A new set with its own, empty memory. */
export function createReferenceKernelSet(): KernelSet {
  let buffer = new ArrayBuffer(1 << 16);
  // As in WASM, address 0 is never handed out.
  let used = 16;

  return {
    name: "reference",
    simd: "none",
    get buffer() {
      return buffer;
    },

    allocate(byteCount) {
      const ptr = used;
      used = Math.ceil((used + byteCount) / 16) * 16;
      if (used > buffer.byteLength) {
        const larger = new ArrayBuffer(
          Math.max(used, Math.min(2 * buffer.byteLength, used + 2 ** 26)),
        );
        new Uint8Array(larger).set(new Uint8Array(buffer));
        buffer = larger;
      }
      return ptr;
    },

    absmax(input, valuesPtr, absmaxPtr, elementCount, blockSize) {
      const values = floatView(buffer, input, valuesPtr);
      const absmaxes = floatView(buffer, "float32", absmaxPtr);
      for (let start = 0, block = 0; start < elementCount; start += blockSize, block++) {
        absmaxes.set(block, absmaxOf(values, start, Math.min(blockSize, elementCount - start)));
      }
    },

    quantize4: (...call) => quantizeBlocks(buffer, ...call),
    dequantize4: (...call) => dequantizeBlocks(buffer, ...call),
    quantize8: (...call) => quantizeBlocks(buffer, ...call),
    dequantize8: (...call) => dequantizeBlocks(buffer, ...call),
    quantizeInt8Rows: (...call) => quantizeRows(buffer, ...call),
    dequantizeInt8Rows: (...call) => dequantizeRows(buffer, ...call),
    convert: (...call) => convertFloats(buffer, ...call),
    sum: (...call) => sumInOrder(buffer, ...call),
    subtract: (...call) => subtract(buffer, ...call),

    range: (...call) => extendRange(buffer, ...call),
    affineParameters: (...call) => affineParameters(buffer, ...call),
    quantizeAffine: (...call) => quantizeAffine(buffer, ...call),
    dequantizeAffine: (...call) => dequantizeAffine(buffer, ...call),
    quantizeFloat: (...call) => quantizeFloat(buffer, ...call),
    dequantizeFloat: (...call) => dequantizeFloat(buffer, ...call),
    packNibbles: (...call) => packNibbles(buffer, ...call),
    unpackNibbles: (...call) => unpackNibbles(buffer, ...call),
    columnExtremes: (...call) => columnExtremes(buffer, ...call),
    quantizeColumns: (...call) => quantizeColumns(buffer, ...call),
    dequantizeColumns: (...call) => dequantizeColumns(buffer, ...call),
    packSigns: (...call) => packSigns(buffer, ...call),
    hammingDistances: (...call) => hammingDistances(buffer, ...call),
    dotCodes: (...call) => dotCodes(buffer, ...call),
  };
}
