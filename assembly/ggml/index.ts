/** The export list of ggml.wasm. The memory contract: README.md. */

export {
  dequantizeQ4_0,
  dequantizeQ5_0,
  dequantizeQ8_0,
  quantizeQ4_0,
  quantizeQ5_0,
  quantizeQ8_0,
} from "./centred";
export { firstInfinite, firstNonFinite } from "./checks";
export { dequantizeQ1_0, dequantizeQ2_0, dequantizeTQ2_0 } from "./few-bits";
export { quantizeQ1_0, quantizeQ2_0, quantizeTQ2_0 } from "./few-bits";
export { dequantizeBF16, dequantizeF16, dequantizeF32 } from "./floats";
export { quantizeBF16, quantizeF16, quantizeF32 } from "./floats";
export { dequantizeMXFP4, dequantizeNVFP4, quantizeMXFP4, quantizeNVFP4 } from "./fp4";
export { dequantizeIQ4_NL, dequantizeIQ4_XS, quantizeIQ4_NL, quantizeIQ4_XS } from "./iq4";
export {
  dequantizeQ2_K,
  dequantizeQ3_K,
  dequantizeQ4_K,
  dequantizeQ5_K,
  dequantizeQ6_K,
} from "./k-decode";
export { quantizeQ2_K, quantizeQ4_K, quantizeQ5_K } from "./k-ranged";
export { quantizeQ3_K, quantizeQ6_K } from "./k-signed";
export { dequantizeQ4_1, dequantizeQ5_1, quantizeQ4_1, quantizeQ5_1 } from "./ranged";
export { dequantizeTQ1_0, quantizeTQ1_0 } from "./ternary";

/** Bumped whenever an exported name, its argument order or its meaning changes. */
export function abiVersion(): u32 {
  return 1;
}

/** First byte that the host may use; below it lie working memory and the module's own constants. */
export function heapBase(): usize {
  return __heap_base;
}
