/** Weights as blocks of ggml, and back: what `quantwise/gguf` offers besides the container. */

export {
  BLOCK_LAYOUTS,
  BLOCK_TYPES,
  type BlockLayout,
  type BlockSize,
  type BlockType,
  COPIED_TYPES,
} from "../schemes/ggml/block-types.ts";
export { type DequantizeBlocksOptions, dequantizeBlocks } from "./dequantize-blocks.ts";
export { type QuantizeBlocksOptions, quantizeBlocks } from "./quantize-blocks.ts";
export { type BlockKernelOptions, blockKernels } from "./window.ts";
