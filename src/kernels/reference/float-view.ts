/** One dtype's elements in a buffer, read and written as numbers. */

import type { FloatDtype } from "../../foundation/dtype.ts";
import { assertNever } from "../../foundation/errors.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../foundation/half.ts";

export interface FloatView {
  get(index: number): number;
  /** Rounds `value`, an f32, to the dtype; every NaN is written as the quiet NaN without payload. */
  set(index: number, value: number): void;
}

/** The one f32 NaN that kernels write. */
const CANONICAL_NAN = 0x7fc00000;

export function floatView(buffer: ArrayBuffer, dtype: FloatDtype, ptr: number): FloatView {
  switch (dtype) {
    case "float32": {
      const values = new Float32Array(buffer, ptr);
      const words = new Uint32Array(buffer, ptr);
      return {
        get: (index) => values[index] as number,
        set: (index, value) => {
          if (Number.isNaN(value)) words[index] = CANONICAL_NAN;
          else values[index] = value;
        },
      };
    }
    case "float16": {
      const words = new Uint16Array(buffer, ptr);
      return {
        get: (index) => f16ToF32(words[index] as number),
        set: (index, value) => {
          words[index] = Number.isNaN(value) ? 0x7e00 : f32ToF16(value);
        },
      };
    }
    case "bfloat16": {
      const words = new Uint16Array(buffer, ptr);
      return {
        get: (index) => bf16ToF32(words[index] as number),
        set: (index, value) => {
          words[index] = f32ToBf16(value);
        },
      };
    }
    default:
      return assertNever(dtype);
  }
}
