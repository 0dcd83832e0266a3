/** The three floating-point dtypes that weights come in, and how others spell them. */

/** Names as PyTorch, transformers' config and bitsandbytes' quant state spell them. */
export type FloatDtype = "float32" | "float16" | "bfloat16";

export const FLOAT_DTYPES: readonly FloatDtype[] = ["float32", "float16", "bfloat16"];

/** Bytes of one element. */
export function floatBytes(dtype: FloatDtype): 2 | 4 {
  return dtype === "float32" ? 4 : 2;
}
