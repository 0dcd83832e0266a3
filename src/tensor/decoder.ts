/** What every decoder of a tensor offers: the part that `dequantize` and files share. */

import type { QuantizedTensor, ScalesOf } from "./quantized-tensor.ts";

/** What decoding needs of a record beside its codes. */
export type Scales = ScalesOf<QuantizedTensor>;

export interface Decoder {
  /** Elements that `decode` takes at once at most; a multiple of `alignment`. */
  readonly tileElements: number;
  /** A piece begins at a multiple of this. */
  readonly alignment: number;
  /** Where the codes of a piece lie in the bytes of all codes. */
  codeRange(start: number, elementCount: number): { readonly begin: number; readonly end: number };
  /**
   * @param codes the bytes of `codeRange`
   * @returns the weights' bytes: a view of kernel memory that lives until the next call
   */
  decode(codes: Uint8Array, start: number, elementCount: number): Uint8Array<ArrayBuffer>;
  /** The scales of a piece, and the elements that each belongs to, from 0 to `elementCount`. */
  eachScale(start: number, elementCount: number, visit: ScaleVisitor): void;
  /** The codes of a piece, one a byte. */
  wideCodes(codes: Uint8Array, start: number, elementCount: number): Uint8Array;
}

export type ScaleVisitor = (from: number, to: number, scale: number) => void;
