/** What every encoder of a tensor offers: the part that `quantize`, files and streams share. */

import { type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import type { BlockSums, QuantizationError } from "../metrics/quantization-error.ts";
import type { Codebook } from "../schemes/codebook.ts";
import type { ChunkSums } from "./chunk-sampler.ts";
import type { Coding } from "./options.ts";
import type { NestedAbsmax, NestedScale } from "./quantized-tensor.ts";
import { TILE_BYTES, type Workspace } from "./workspace.ts";

/** A tensor to encode. */
export interface EncodeJob {
  readonly coding: Coding;
  readonly dtype: FloatDtype;
  readonly shape: readonly number[];
  /** The tensor's name in errors. */
  readonly tensor?: string | undefined;
  /** The file's name in errors. */
  readonly file?: string | undefined;
  /** Let NaN and infinity through. @defaultValue false */
  readonly allowNonFinite?: boolean | undefined;
  /** Replaces the mean of the absmax in double quantization. */
  readonly nestedOffset?: number | undefined;
  /** The map of dynamic8. */
  readonly code?: Codebook | undefined;
  /** Affine only: the dtype that scales are rounded to before codes are computed with them. */
  readonly scaleDtype?: FloatDtype | undefined;
  /** Affine only: store signed codes as code − lowest (compressed-tensors). */
  readonly offsetCodes?: boolean | undefined;
  /** Look at the error while encoding. */
  readonly measureError?: boolean | undefined;
  /** `shape` is a part of a larger tensor: what is sampled follows from the whole. */
  readonly part?: Part | undefined;
}

/** Which elements of a tensor an encoder has. */
export interface Part {
  /** First element. */
  readonly start: number;
  /** Elements of the whole tensor. */
  readonly elementCount: number;
}

/** What is stored beside the codes, known when the last tile is through. */
export type EncodedScales =
  | {
      readonly family: "codebook";
      /** First-level absmax, or its 8-bit codes when `nested` is present. */
      readonly absmax: Float32Array | Uint8Array;
      readonly nested?: NestedAbsmax;
    }
  | { readonly family: "rows"; readonly scb: Float32Array }
  | {
      readonly family: "affine";
      readonly scale: Float32Array | Uint8Array;
      readonly zeroPoint?: Float32Array | Int8Array | Uint8Array;
      readonly nested?: NestedScale;
    }
  | {
      readonly family: "float";
      readonly scale: Float32Array | Uint8Array;
      readonly tensorScale?: number;
    };

/** What samplers have summed up, for the whole tensor's error. */
export type ErrorSums =
  | ({ readonly of: "blocks" } & BlockSums)
  | ({ readonly of: "chunks" } & ChunkSums);

export interface Encoded {
  readonly scales: EncodedScales;
  /** When it was asked for: of a whole tensor. */
  readonly error?: QuantizationError;
  /** When it was asked for: of a part. */
  readonly sums?: ErrorSums;
}

/** Encodes one tensor tile by tile. Memory is two tiles plus the tensor's scales. */
export interface Encoder {
  /**
   * The scales need a statistic of the whole tensor: every tile is to be observed, in order, before
   * the first is encoded.
   */
  readonly observes: boolean;
  /** Elements of the tile that begins at element `start`; 0 at the end. */
  tileAt(start: number): number;
  /** Where a tile's weights go before `observe` or `encode`: kernel memory. */
  input(slot: 0 | 1, elementCount: number): Uint8Array<ArrayBuffer>;
  /** @throws NonFiniteError with the element's index in the tensor */
  observe(slot: 0 | 1, elementCount: number): void;
  /**
   * Encodes the tile in `slot`.
   *
   * @returns its codes: a view that lives until the slot's next `encode`
   * @throws NonFiniteError with the element's index in the tensor
   */
  encode(slot: 0 | 1, elementCount: number): Uint8Array<ArrayBuffer>;
  /** Call once, after the last tile. */
  finish(): Encoded;
}

/** Kernel memory of two tiles: while one is computed and written, the next is read. */
export class TileSlots {
  readonly #workspace: Workspace;
  readonly #itemBytes: number;
  readonly #slots: readonly { readonly values: number; readonly codes: number }[];

  constructor(workspace: Workspace, itemBytes: number, tileElements: number, codeBytes: number) {
    this.#workspace = workspace;
    this.#itemBytes = itemBytes;
    this.#slots = ["0", "1"].map((slot) => ({
      values: workspace.reserve(`values ${slot}`, tileElements * itemBytes),
      codes: workspace.reserve(`codes ${slot}`, codeBytes),
    }));
  }

  input(slot: 0 | 1, elementCount: number): Uint8Array<ArrayBuffer> {
    return this.#workspace.bytes(this.at(slot).values, elementCount * this.#itemBytes);
  }

  at(slot: 0 | 1): { readonly values: number; readonly codes: number } {
    return this.#slots[slot] as { readonly values: number; readonly codes: number };
  }
}

/** Elements of a dtype that a tile of the usual size holds. */
export function tileBudget(dtype: FloatDtype): number {
  return TILE_BYTES / floatBytes(dtype);
}
