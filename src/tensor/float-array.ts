/** Weights as they come in and go out: one view of bytes for three dtypes and their arrays. */

import { type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { ArgumentError } from "../foundation/errors.ts";
import { arrayTag } from "./expect-array.ts";

/** Float16Array where the runtime has it (Node 24, browsers, Deno, Bun). */
interface Float16ArrayLike extends ArrayBufferView {
  readonly length: number;
  readonly [Symbol.toStringTag]: "Float16Array";
}

/**
 * Weights: f32, or 16-bit floats as `Float16Array`, or their bits as `Uint16Array` with
 * `dtype: "float16" | "bfloat16"`.
 */
export type FloatArray = Float32Array | Uint16Array | Float16ArrayLike;

/** Bytes, dtype and length of the caller's weights (no copy). */
export interface FloatBytes {
  readonly dtype: FloatDtype;
  readonly bytes: Uint8Array;
  readonly elementCount: number;
}

/**
 * @param argument how errors call it ("weights", "out")
 * @throws ArgumentError for another array type, or a dtype that does not fit it
 */
export function floatBytesOf(
  array: FloatArray,
  dtype: FloatDtype | undefined,
  argument: string,
): FloatBytes {
  const actual = dtypeOf(array, dtype, argument);
  return {
    dtype: actual,
    bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
    elementCount: array.byteLength / floatBytes(actual),
  };
}

function dtypeOf(array: FloatArray, dtype: FloatDtype | undefined, argument: string): FloatDtype {
  // By tag, not instanceof: arrays from another realm (frames, vm contexts) are welcome.
  const tag = arrayTag(array);
  const own = tag === "Float32Array" ? "float32" : tag === "Float16Array" ? "float16" : undefined;
  if (own !== undefined) {
    if (dtype !== undefined && dtype !== own) {
      throw new ArgumentError("dtype", `"${own}" for a ${tag}`, dtype);
    }
    return own;
  }
  if (tag === "Uint16Array") {
    if (dtype === "float16" || dtype === "bfloat16") return dtype;
    throw new ArgumentError("dtype", '"float16" or "bfloat16" for a Uint16Array', dtype);
  }
  throw new ArgumentError(
    argument,
    'a Float32Array, a Float16Array, or a Uint16Array with dtype "float16" or "bfloat16"',
    tag,
  );
}

/** A fresh array of `elementCount` floats: Float32Array, or Uint16Array of 16-bit floats' bits. */
export function newFloatArray(
  dtype: FloatDtype,
  elementCount: number,
): Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> {
  return dtype === "float32" ? new Float32Array(elementCount) : new Uint16Array(elementCount);
}
