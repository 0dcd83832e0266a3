/** Decodes any quantized tensor piece by piece: the part that `dequantize` and files share. */

import { type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { SCHEMES, type Scheme, schemeOf } from "../schemes/registry.ts";
import { codebookOfLevels } from "./codebooks.ts";
import { unnestAbsmax } from "./nested-absmax.ts";
import { unnestScales } from "./nested-scale.ts";
import { codeBytesOf } from "./options.ts";
import type {
  QuantizedAffine,
  QuantizedFloat,
  QuantizedTensor,
  ScalesOf,
} from "./quantized-tensor.ts";
import { e4m3Levels, e8m0Scales } from "./scale-coders.ts";
import { ScaleGrid } from "./scale-grid.ts";
import { TILE_BYTES, type Workspace } from "./workspace.ts";

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

/** @param scales a record that `checkRecord` or a reader of files has checked */
export function newDecoder(workspace: Workspace, scales: Scales, dtype: FloatDtype): Decoder {
  return scales.quantType === "llm-int8" || schemeOf(scales.quantType).family === "codebook"
    ? new FlatDecoder(workspace, scales as FlatScales, dtype)
    : new GridDecoder(workspace, scales as GridScales, dtype);
}

type GridScales = ScalesOf<QuantizedAffine | QuantizedFloat>;
type FlatScales = Exclude<Scales, GridScales>;

/** Codebooks and LLM.int8: blocks of the flat tensor. */
class FlatDecoder implements Decoder {
  readonly tileElements: number;
  readonly alignment: number;
  readonly #workspace: Workspace;
  readonly #scales: FlatScales;
  readonly #dtype: FloatDtype;
  readonly #run: (codes: number, absmax: number, values: number, elementCount: number) => void;

  constructor(workspace: Workspace, scales: FlatScales, dtype: FloatDtype) {
    this.#workspace = workspace;
    this.#scales = scales;
    this.#dtype = dtype;
    const blockSize =
      scales.quantType === "llm-int8" ? Math.max(1, scales.shape[1] ?? 1) : scales.blockSize;
    this.alignment = blockSize;
    const blocks = Math.max(1, Math.floor(TILE_BYTES / floatBytes(dtype) / blockSize));
    this.tileElements = Math.min(elementCountOf(scales.shape), blocks * blockSize);
    this.#run = this.#kernel(blockSize);
  }

  codeRange(start: number, elementCount: number) {
    const { quantType } = this.#scales;
    const begin = codeBytesOf(quantType, start);
    return { begin, end: begin + codeBytesOf(quantType, elementCount) };
  }

  decode(codes: Uint8Array, start: number, elementCount: number): Uint8Array<ArrayBuffer> {
    const workspace = this.#workspace;
    const firstBlock = start / this.alignment;
    const absmax = this.#absmax(firstBlock, firstBlock + Math.ceil(elementCount / this.alignment));
    const byteCount = elementCount * floatBytes(this.#dtype);
    const codesPtr = workspace.reserve("codes 0", codes.byteLength);
    const absmaxPtr = workspace.reserve("absmax", absmax.byteLength);
    const valuesPtr = workspace.reserve("values 0", byteCount);
    workspace.bytes(codesPtr, codes.byteLength).set(codes);
    workspace.floats(absmaxPtr, absmax.length).set(absmax);
    this.#run(codesPtr, absmaxPtr, valuesPtr, elementCount);
    return workspace.bytes(valuesPtr, byteCount);
  }

  eachScale(start: number, elementCount: number, visit: ScaleVisitor): void {
    const blockSize = this.alignment;
    const firstBlock = start / blockSize;
    const absmax = this.#absmax(firstBlock, firstBlock + Math.ceil(elementCount / blockSize));
    // The codes of LLM.int8 count 127ths of their row's largest value.
    const unit = this.#scales.quantType === "llm-int8" ? 1 / 127 : 1;
    for (const [block, scale] of absmax.entries()) {
      const from = block * blockSize;
      visit(from, Math.min(from + blockSize, elementCount), scale * unit);
    }
  }

  wideCodes(codes: Uint8Array, _start: number, elementCount: number): Uint8Array {
    if (SCHEMES[this.#scales.quantType].bits === 8) return codes;
    const wide = new Uint8Array(elementCount);
    for (let i = 0; i < elementCount; i++) {
      const byte = codes[i >> 1] as number;
      wide[i] = i % 2 === 0 ? byte >> 4 : byte & 15;
    }
    return wide;
  }

  #kernel(blockSize: number): (...places: [number, number, number, number]) => void {
    const { kernels } = this.#workspace;
    const scales = this.#scales;
    const dtype = this.#dtype;
    if (scales.quantType === "llm-int8") {
      return (codes, absmax, values, count) => {
        const rows = count / blockSize;
        kernels.dequantizeInt8Rows(dtype, codes, absmax, values, rows, blockSize);
      };
    }
    if (scales.quantType === "dynamic8") {
      const codebook = codebookOfLevels(scales.code);
      return (...places) => kernels.dequantize8(codebook, dtype, ...places, blockSize);
    }
    const codebook = SCHEMES[scales.quantType].codebook();
    return (...places) => kernels.dequantize4(codebook, dtype, ...places, blockSize);
  }

  #absmax(start: number, end: number): Float32Array {
    const scales = this.#scales;
    if (scales.quantType === "llm-int8") return scales.scb.subarray(start, end);
    if (scales.quantType === "dynamic8" || scales.nested === undefined) {
      return (scales.absmax as Float32Array).subarray(start, end);
    }
    return unnestAbsmax(scales.absmax as Uint8Array, scales.nested, start, end);
  }
}

/** Affine integers and block floats: runs of a `ScaleGrid`. */
class GridDecoder implements Decoder {
  readonly tileElements: number;
  /** Any element may be the first; of two 4-bit codes in a byte, either. */
  readonly alignment = 1;
  readonly #workspace: Workspace;
  readonly #scales: GridScales;
  readonly #scheme: Scheme;
  readonly #dtype: FloatDtype;
  readonly #grid: ScaleGrid;

  constructor(workspace: Workspace, scales: GridScales, dtype: FloatDtype) {
    this.#workspace = workspace;
    this.#scales = scales;
    this.#scheme = schemeOf(scales.quantType);
    this.#dtype = dtype;
    this.#grid = new ScaleGrid(scales.shape, scales);
    this.tileElements = Math.min(this.#grid.elementCount, TILE_BYTES / 4);
  }

  codeRange(start: number, elementCount: number) {
    if (this.#scheme.bits === 8) return { begin: start, end: start + elementCount };
    return { begin: Math.floor(start / 2), end: Math.ceil((start + elementCount) / 2) };
  }

  decode(codes: Uint8Array, start: number, elementCount: number): Uint8Array<ArrayBuffer> {
    const workspace = this.#workspace;
    const { kernels } = workspace;
    const scheme = this.#scheme;
    const floatsPtr = workspace.reserve("restored", elementCount * 4);
    const codesPtr = this.#wideCodes(codes, start, elementCount);
    const grid = this.#grid;
    // All scales of a grid whose runs repeat; else those of this piece.
    const isRepeating = !grid.isContiguous;
    const firstScale = isRepeating ? 0 : grid.runOf(start);
    const scaleCount = isRepeating ? grid.scaleCount : grid.runCount(start, start + elementCount);
    const runs = isRepeating ? grid.runsAt(start) : grid.localRunsAt(start, scaleCount);
    const scalePtr = workspace.reserve("scale", scaleCount * 4);
    this.#scalesInto(workspace.floats(scalePtr, scaleCount), firstScale);
    if (scheme.family === "affine") {
      const zeroPointPtr = this.#zeroPoints(firstScale, scaleCount);
      const places = [codesPtr, scalePtr, zeroPointPtr, floatsPtr] as const;
      kernels.dequantizeAffine(scheme.format, ...places, elementCount, runs);
    } else if (scheme.family === "float") {
      kernels.dequantizeFloat(scheme.format, codesPtr, scalePtr, floatsPtr, elementCount, runs);
    }
    if (this.#dtype === "float32") return workspace.bytes(floatsPtr, elementCount * 4);
    const valuesPtr = workspace.reserve("values 0", elementCount * 2);
    kernels.convert("float32", this.#dtype, floatsPtr, valuesPtr, elementCount);
    return workspace.bytes(valuesPtr, elementCount * 2);
  }

  eachScale(start: number, elementCount: number, visit: ScaleVisitor): void {
    const { rowLength, runLength, scaleCount, isContiguous } = this.#grid;
    const first = this.#grid.runOf(start);
    const count = this.#grid.runCount(start, start + elementCount);
    const scales = new Float32Array(isContiguous ? count : scaleCount);
    this.#scalesInto(scales, isContiguous ? first : 0);
    for (let run = first, from = 0; from < elementCount; run++) {
      const end = this.#grid.startOf(run + 1) - start;
      const to = Math.min(rowLength === 0 || runLength === 0 ? elementCount : end, elementCount);
      visit(from, to, scales[isContiguous ? run - first : run % scaleCount] as number);
      from = to;
    }
  }

  wideCodes(codes: Uint8Array, start: number, elementCount: number): Uint8Array {
    if (this.#scheme.bits === 8) return codes;
    return this.#workspace.bytes(this.#wideCodes(codes, start, elementCount), elementCount);
  }

  /** @returns where the codes lie, one a byte */
  #wideCodes(codes: Uint8Array, start: number, elementCount: number): number {
    const workspace = this.#workspace;
    const packedPtr = workspace.reserve("codes 0", codes.byteLength);
    workspace.bytes(packedPtr, codes.byteLength).set(codes);
    if (this.#scheme.bits === 8) return packedPtr;
    const before = start % 2;
    const codesPtr = workspace.reserve("wide codes", elementCount + 1);
    const isSigned = this.#scheme.family === "affine" && this.#scheme.format.signed;
    workspace.kernels.unpackNibbles(packedPtr, codesPtr, before + elementCount, isSigned);
    return codesPtr + before;
  }

  #scalesInto(target: Float32Array, first: number): void {
    const scales = this.#scales;
    const last = first + target.length;
    if ("nested" in scales && scales.nested !== undefined) {
      unnestScales(scales.scale as Uint8Array, scales.nested, first, target);
      return;
    }
    const stored = scales.scale.subarray(first, last);
    // Not instanceof: the array may be of another realm.
    if (stored.BYTES_PER_ELEMENT === 4) {
      target.set(stored);
      return;
    }
    const tensorScale = "tensorScale" in scales ? scales.tensorScale : undefined;
    const levels = tensorScale === undefined ? e8m0Scales() : e4m3Levels();
    const factor = tensorScale ?? 1;
    for (let i = 0; i < target.length; i++) {
      target[i] = (levels[stored[i] as number] as number) * factor;
    }
  }

  #zeroPoints(first: number, count: number): number {
    const scales = this.#scales;
    if (!("zeroPoint" in scales) || scales.zeroPoint === undefined) return 0;
    const pointer = this.#workspace.reserve("zero point", count * 4);
    this.#workspace.floats(pointer, count).set(scales.zeroPoint.subarray(first, first + count));
    return pointer;
  }
}
