/** The export list of linear.wasm. The memory contract: README.md. */

export { narrowF32ToBf16 } from "../kernels/convert/narrow-f32-to-bf16";
export { narrowF32ToF16 } from "../kernels/convert/narrow-f32-to-f16";
export { widenBf16ToF32 } from "../kernels/convert/widen-bf16-to-f32";
export { widenF16ToF32 } from "../kernels/convert/widen-f16-to-f32";
export { quantizeActivations } from "./activations";
export { decodeCode4, decodeCode8 } from "./decode-rows";
export { dotCode4 } from "./dot-code4";
export { dotCode8 } from "./dot-code8";
export { dotInt8Code4, dotInt8Code8 } from "./dot-int8";
export { addAndClean, addProducts, finishSums } from "./products";

/** Bumped whenever an exported name, its argument order or its meaning changes. */
export function abiVersion(): u32 {
  return 1;
}

/** Whether this build uses relaxed SIMD. */
export function isRelaxed(): bool {
  return ASC_FEATURE_RELAXED_SIMD;
}

/** First byte that the host may use; below it lie the table and the module's own constants. */
export function heapBase(): usize {
  return __heap_base;
}
