/** Integer formats of affine quantization: w ≈ (q − zeroPoint) · scale. Names are ONNX's. */

/** Whole numbers that a weight becomes. */
export interface AffineFormat {
  readonly name: "int8" | "uint8" | "int4" | "uint4";
  readonly bits: 4 | 8;
  readonly signed: boolean;
  /** Smallest and largest code. */
  readonly lowest: number;
  readonly highest: number;
}

export const INT8: AffineFormat = {
  name: "int8",
  bits: 8,
  signed: true,
  lowest: -128,
  highest: 127,
};

export const UINT8: AffineFormat = {
  name: "uint8",
  bits: 8,
  signed: false,
  lowest: 0,
  highest: 255,
};

export const INT4: AffineFormat = { name: "int4", bits: 4, signed: true, lowest: -8, highest: 7 };

export const UINT4: AffineFormat = {
  name: "uint4",
  bits: 4,
  signed: false,
  lowest: 0,
  highest: 15,
};
