/** Decodes the families whose blocks run over the flat tensor: codebooks, and LLM.int8's rows. */

import { type FloatDtype, floatBytes } from "../foundation/dtype.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { SCHEMES } from "../schemes/registry.ts";
import { codeBytesOf } from "./code-bytes.ts";
import { codebookOfLevels } from "./codebooks.ts";
import type { Decoder, Scales, ScaleVisitor } from "./decoder.ts";
import type { GridScales } from "./grid-decoder.ts";
import { unnestAbsmax } from "./nested-absmax.ts";
import { TILE_BYTES, type Workspace } from "./workspace.ts";

export type FlatScales = Exclude<Scales, GridScales>;

export class FlatDecoder implements Decoder {
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
