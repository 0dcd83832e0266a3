/** The linear kernels in scalar TypeScript: openly slow, the oracle, and the fallback without SIMD. */

import type { LinearKernels } from "../../linear-kernels.ts";
import { convertFloats } from "../convert.ts";
import { dotInt8, quantizeActivations } from "./int8.ts";
import { addAndClean, addProducts, decode, dot, finishSums } from "./products.ts";

/** New ones with an empty memory of their own. */
export function createReferenceLinearKernels(): LinearKernels {
  let buffer = new ArrayBuffer(1 << 16);
  return {
    name: "reference",
    simd: "none",
    heapBase: 16,
    get buffer() {
      return buffer;
    },

    growTo(end) {
      if (end <= buffer.byteLength) return;
      const larger = new ArrayBuffer(Math.max(end, Math.min(2 * buffer.byteLength, end + 2 ** 26)));
      new Uint8Array(larger).set(new Uint8Array(buffer));
      buffer = larger;
    },

    dot: (...call) => dot(buffer, ...call),
    decode: (...call) => decode(buffer, ...call),
    addProducts: (...call) => addProducts(buffer, ...call),
    finishSums: (...call) => finishSums(buffer, ...call),
    addAndClean: (...call) => addAndClean(buffer, ...call),
    quantizeActivations: (_bits, xPtr, codesPtr, _groupSumsPtr, columnCount) =>
      quantizeActivations(buffer, xPtr, codesPtr, columnCount),
    dotInt8: (codes, rows, xCodesPtr, _groupSumsPtr, factor, yPtr) =>
      dotInt8(buffer, codes, rows, xCodesPtr, factor, yPtr),
    widen: (from, ...places) => convertFloats(buffer, from, "float32", ...places),
    narrow: (to, ...places) => convertFloats(buffer, "float32", to, ...places),
  };
}
