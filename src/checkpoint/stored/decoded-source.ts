/** A quantized weight as the bytes of its floats, readable in any order: decoded when asked for. */

import type { ByteSource } from "../../foundation/byte-source.ts";
import { type FloatDtype, floatBytes } from "../../foundation/dtype.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import { SCHEMES } from "../../schemes/registry.ts";
import type { Decoder, Scales, ScaleVisitor } from "../../tensor/decoder.ts";
import { newDecoder } from "../../tensor/new-decoder.ts";
import type { Workspace } from "../../tensor/workspace.ts";
import type { StoredWeight } from "./stored-weight.ts";

export interface DecodedPiece {
  /** Of the source's dtype. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** One a byte. */
  readonly codes: Uint8Array;
  eachScale(visit: ScaleVisitor): void;
}

export class DecodedSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #weight: StoredWeight;
  readonly #decoder: Decoder;
  readonly #elementCount: number;
  readonly #itemBytes: number;
  #codes = new Uint8Array(0);

  /** @param scales what `weight.scales()` gave */
  constructor(weight: StoredWeight, scales: Scales, workspace: Workspace, dtype: FloatDtype) {
    this.name = weight.codes.file.source.name;
    this.#weight = weight;
    this.#decoder = newDecoder(workspace, scales, dtype);
    this.#elementCount = elementCountOf(weight.shape);
    this.#itemBytes = floatBytes(dtype);
    this.size = this.#elementCount * this.#itemBytes;
  }

  /** @param position whole elements, as is the length of `target` */
  async read(target: Uint8Array, position: number): Promise<void> {
    const { alignment, tileElements } = this.#decoder;
    let at = position / this.#itemBytes;
    const end = at + target.byteLength / this.#itemBytes;
    for (let filled = 0; at < end; ) {
      const first = at - (at % alignment);
      const last = Math.min(first + tileElements, Math.ceil(end / alignment) * alignment);
      const count = Math.min(last, this.#elementCount) - first;
      const codes = await this.codes(first, count);
      const decoded = this.#decoder.decode(codes, first, count);
      const from = (at - first) * this.#itemBytes;
      const piece = decoded.subarray(from, from + target.byteLength - filled);
      target.set(piece, filled);
      filled += piece.byteLength;
      at += piece.byteLength / this.#itemBytes;
    }
  }

  /** Elements that `piece` takes at once; a multiple of what its start must be one of. */
  get pieceElements(): number {
    return this.#decoder.tileElements;
  }

  /** Decoded values with what is known of their codes; views that live until the next call. */
  async piece(start: number, elementCount: number): Promise<DecodedPiece> {
    const codes = await this.codes(start, elementCount);
    const wide = this.#decoder.wideCodes(codes, start, elementCount).slice();
    const bytes = this.#decoder.decode(codes, start, elementCount);
    return {
      bytes,
      codes: wide,
      eachScale: (visit) => this.#decoder.eachScale(start, elementCount, visit),
    };
  }

  /** Codes as a record has them: signed, and flat over the rows; they live until the next call. */
  async codes(start: number, elementCount: number): Promise<Uint8Array> {
    const { codes, packedRows, coding, shape } = this.#weight;
    const { file, entry } = codes;
    const offset = file.dataStart + entry.begin;
    const { bits } = SCHEMES[coding.quantType];
    const columns = shape[1] ?? 1;
    if (packedRows === undefined || packedRows.rowBytes * 8 === columns * bits) {
      const { begin, end } = this.#decoder.codeRange(start, elementCount);
      const bytes = this.#buffer(end - begin);
      await file.source.read(bytes, offset + begin);
      return packedRows === undefined ? bytes : withSigns(bytes, bits);
    }
    const { rowBytes } = packedRows;
    const firstRow = Math.floor(start / columns);
    const rows = Math.ceil((start + elementCount) / columns) - firstRow;
    const padded = new Uint8Array(rows * rowBytes);
    await file.source.read(padded, offset + firstRow * rowBytes);
    return withSigns(this.#flattened(padded, start, elementCount, firstRow), bits);
  }

  /** Rows that begin at whole words, one behind the other. */
  #flattened(
    padded: Uint8Array,
    start: number,
    elementCount: number,
    firstRow: number,
  ): Uint8Array {
    const { coding, shape, packedRows } = this.#weight;
    const { bits } = SCHEMES[coding.quantType];
    const columns = shape[1] as number;
    const rowBytes = packedRows?.rowBytes ?? 0;
    const { begin, end } = this.#decoder.codeRange(start, elementCount);
    const flat = this.#buffer(end - begin).fill(0);
    const perByte = 8 / bits;
    for (let i = start; i < start + elementCount; i++) {
      const row = Math.floor(i / columns);
      const column = i - row * columns;
      const byte = padded[(row - firstRow) * rowBytes + Math.floor(column / perByte)] as number;
      const code = perByte === 1 ? byte : (byte >> (4 * (column % 2))) & 15;
      const to = Math.floor(i / perByte) - begin;
      flat[to] = (flat[to] as number) | (perByte === 1 ? code : code << (4 * (i % 2)));
    }
    return flat;
  }

  /** Room for codes, used again with every read: one read at a time. */
  #buffer(byteCount: number): Uint8Array {
    if (this.#codes.byteLength < byteCount) this.#codes = new Uint8Array(byteCount);
    return this.#codes.subarray(0, byteCount);
  }
}

/** compressed-tensors stores code + 2^(bits − 1): the sign bit of each code, flipped. */
function withSigns(codes: Uint8Array, bits: 4 | 8): Uint8Array {
  const flip = bits === 4 ? 0x88 : 0x80;
  for (let i = 0; i < codes.length; i++) codes[i] = (codes[i] as number) ^ flip;
  return codes;
}
