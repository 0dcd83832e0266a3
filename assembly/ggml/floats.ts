/** F32, F16 and BF16, whose blocks are one value: the conversions of the core. */

import { narrowF32ToBf16 } from "../kernels/convert/narrow-f32-to-bf16";
import { narrowF32ToF16 } from "../kernels/convert/narrow-f32-to-f16";
import { widenBf16ToF32 } from "../kernels/convert/widen-bf16-to-f32";
import { widenF16ToF32 } from "../kernels/convert/widen-f16-to-f32";

export function quantizeF32(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  memory.copy(blocksPtr, valuesPtr, blockCount << 2);
  return blockCount;
}

export function dequantizeF32(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  memory.copy(valuesPtr, blocksPtr, blockCount << 2);
}

export function quantizeF16(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  narrowF32ToF16(valuesPtr, blocksPtr, blockCount);
  return blockCount;
}

export function dequantizeF16(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  widenF16ToF32(blocksPtr, valuesPtr, blockCount);
}

export function quantizeBF16(valuesPtr: usize, blocksPtr: usize, blockCount: usize): usize {
  narrowF32ToBf16(valuesPtr, blocksPtr, blockCount);
  return blockCount;
}

export function dequantizeBF16(blocksPtr: usize, valuesPtr: usize, blockCount: usize): void {
  widenBf16ToF32(blocksPtr, valuesPtr, blockCount);
}
