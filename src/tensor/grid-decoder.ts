/** Decodes the families that multiply by a scale: affine integers and block floats. */

import type { FloatDtype } from "../foundation/dtype.ts";
import { type Scheme, schemeOf } from "../schemes/registry.ts";
import type { Decoder, ScaleVisitor } from "./decoder.ts";
import { e4m3Levels, e8m0Scales } from "./float-scale-coder.ts";
import { unnestScales } from "./nested-scale.ts";
import type { QuantizedAffine, QuantizedFloat, ScalesOf } from "./quantized-tensor.ts";
import { ScaleGrid } from "./scale-grid.ts";
import { TILE_BYTES, type Workspace } from "./workspace.ts";

export type GridScales = ScalesOf<QuantizedAffine | QuantizedFloat>;

export class GridDecoder implements Decoder {
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
