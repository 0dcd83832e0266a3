/** F32, F16 and BF16: a block is one value. */

import { bf16ToF32, f32ToBf16, f32ToBits } from "../../../foundation/half.ts";
import { type BlockCodec, getHalf, setHalf } from "./codec.ts";

export const F32: BlockCodec = {
  quantize(values, block) {
    const bits = f32ToBits(values[0] as number);
    for (let i = 0; i < 4; i++) block[i] = bits >>> (8 * i);
  },
  dequantize(block, values) {
    values[0] = new DataView(block.buffer, block.byteOffset).getFloat32(0, true);
  },
};

export const F16: BlockCodec = {
  quantize: (values, block) => {
    setHalf(block, 0, values[0] as number);
  },
  dequantize: (block, values) => {
    values[0] = getHalf(block, 0);
  },
};

export const BF16: BlockCodec = {
  quantize(values, block) {
    const bits = f32ToBf16(values[0] as number);
    block[0] = bits;
    block[1] = bits >> 8;
  },
  dequantize(block, values) {
    values[0] = bf16ToF32((block[0] as number) | ((block[1] as number) << 8));
  },
};
