/** From the range of each run to the scale that its codes are computed with, and what is stored of it. */

import type { EncodedScales } from "./encoder.ts";

/** Addresses in kernel memory of what belongs to each scale, f32 each. */
export interface ScalePlaces {
  readonly min: number;
  readonly max: number;
  readonly scale: number;
  /** 0: every zero point is 0. */
  readonly zeroPoint: number;
}

export interface ScaleCoder {
  /** Scales that must be coded together; a call's first scale is a multiple of it. */
  readonly group: number;
  /** The range of the whole tensor is needed before the first scale is coded. */
  readonly needsTensorRange: boolean;
  setTensorRange(min: number, max: number): void;
  /** Reads the ranges of `count` scales, writes their scales and zero points, and keeps what is stored. */
  code(places: ScalePlaces, first: number, count: number): void;
  finish(): EncodedScales;
}
