/**
 * Writes a safetensors file into a sink that can seek, byte for byte as the reference writer
 * would: its tensor order, exact JSON texts, a header without slack.
 *
 * Everything but the length of double quantized `quant_state` texts is known beforehand. Tensors
 * are written where they belong by what is known; when the true lengths are in, whatever lies
 * elsewhere is moved once.
 */

import {
  encodeHeaderChunks,
  headerByteLength,
  type TensorEntry,
  WRITTEN_HEADER_BYTES_MAX,
} from "../formats/safetensors/index.ts";
import type { ByteSink } from "../foundation/byte-source.ts";
import { ArgumentError, PlanError, printable, quoted } from "../foundation/errors.ts";
import { FileRows, followsTexts, type OutputsOf } from "./file-rows.ts";
import type { FinalParts } from "./layouts/layout.ts";
import { type Move, moveRanges } from "./move-ranges.ts";
import type { UnitWriter } from "./unit-writer.ts";

/**
 * Bytes of a file's header.
 *
 * @throws PlanError when loaders would refuse it
 */
export function headerBytesOf(
  entries: Iterable<TensorEntry>,
  metadata: ReadonlyMap<string, string>,
  file: string,
): number {
  try {
    return headerByteLength(entries, metadata);
  } catch (error) {
    throw error instanceof ArgumentError && error.argument === "header" ? tooLong(file) : error;
  }
}

/** Only a directory can be split: elsewhere the header of very many tensors has no way out. */
export function tooLong(file: string): PlanError {
  return new PlanError(
    `${printable(file)}: its header would be longer than ${WRITTEN_HEADER_BYTES_MAX} bytes, which ` +
      "loaders refuse; write to a directory, where it is split into shards",
  );
}

export class ExactFile {
  readonly #sink: ByteSink;
  readonly #rows: FileRows;
  readonly #metadata: ReadonlyMap<string, string>;
  /** Offset in the data section by the guessed lengths. */
  readonly #guess: Float64Array;
  /** Offset in the file where a row was written. */
  readonly #position: Float64Array;
  /** Bytes of a row: guessed, then true. */
  readonly #bytes: Float64Array;
  #headerBytes: number;
  readonly #inOrder: boolean;
  /** How much longer the texts so far are than they were guessed. */
  #growth = 0;
  #writtenEnd = 0;

  /**
   * @param units the units of this file
   * @param outputsOf a unit's stored tensors, their text sizes guessed or bounded
   * @param metadata the header's `__metadata__`
   * @param inOrder the caller will take the units as `order` gives them: then texts of another
   * length than guessed shift what follows before it is written
   */
  constructor(
    sink: ByteSink,
    units: ArrayLike<number>,
    outputsOf: OutputsOf,
    metadata: ReadonlyMap<string, string>,
    inOrder: boolean,
  ) {
    this.#sink = sink;
    this.#metadata = metadata;
    this.#rows = new FileRows(units, outputsOf);
    const count = this.#rows.length;
    this.#inOrder = inOrder && this.#rows.textsComeInOrder();
    this.#guess = new Float64Array(count);
    this.#position = new Float64Array(count);
    this.#bytes = new Float64Array(count);
    let offset = 0;
    let previous = "";
    for (let row = 0; row < count; row++) {
      const { name, byteLength } = this.#rows.output(row, this.#inOrder ? "typical" : "longest");
      if (row > 0 && name === previous) throw twice(name);
      previous = name;
      this.#guess[row] = offset;
      this.#bytes[row] = byteLength;
      offset += byteLength;
    }
    this.#headerBytes = headerBytesOf(this.#header, metadata, sink.name);
  }

  /**
   * The units in the order that writes every tensor where it stays.
   *
   * @param first how many of them to leave out
   */
  *order(first = 0): Generator<number> {
    let position = 0;
    for (const unit of this.#rows.unitsByLastRow()) if (position++ >= first) yield unit;
  }

  /** Where the last byte of what was replayed ends. */
  get writtenEnd(): number {
    return this.#writtenEnd;
  }

  /** Takes a unit for written, as `writer` of a layout like this one has. @param textBytes of its JSON text */
  replay(unit: number, textBytes: number | undefined): void {
    const rows = this.#rows.ofUnit(unit);
    const first = rows.find((row) => isStreamed(this.#rows.role(row)));
    if (first !== undefined) this.#place(first);
    for (const row of rows) {
      const role = this.#rows.role(row);
      if (!isStreamed(role)) this.#place(row);
      if (role === "quantState") this.#setBytes(row, textBytes ?? (this.#bytes[row] as number));
      const end = (this.#position[row] as number) + (this.#bytes[row] as number);
      this.#writtenEnd = Math.max(this.#writtenEnd, end);
    }
  }

  writer(unit: number): UnitWriter {
    const rows = this.#rows.ofUnit(unit);
    const first = rows.find((row) => isStreamed(this.#rows.role(row)));
    let position = first === undefined ? 0 : this.#place(first);
    return {
      quantStateBytes: 0,
      write: (bytes) => {
        const at = position;
        position += bytes.byteLength;
        return this.#sink.write(bytes, at);
      },
      finish: (parts) => this.#writeParts(rows, parts),
    };
  }

  /** Whether all tensors lie where they belong, now that the true lengths are known. */
  isInPlace(): boolean {
    return this.#isPlacedAt(headerByteLength(this.#header, this.#metadata));
  }

  #isPlacedAt(dataStart: number): boolean {
    for (const { from, to } of this.#moves(dataStart)) if (from !== to) return false;
    return true;
  }

  /** Takes the true lengths for guesses: the same units, written again, lie where they belong. */
  restart(): void {
    let offset = 0;
    for (let row = 0; row < this.#rows.length; row++) {
      this.#guess[row] = offset;
      offset += this.#bytes[row] as number;
    }
    this.#headerBytes = headerByteLength(this.#header, this.#metadata);
    this.#growth = 0;
  }

  /**
   * Moves what must move and writes the header.
   *
   * @param beforeMoves awaited when something must move
   */
  async finish(
    beforeMoves: () => Promise<void> | undefined = () => undefined,
  ): Promise<{ bytes: number; dataBytes: number }> {
    const dataStart = headerByteLength(this.#header, this.#metadata);
    if (!this.#isPlacedAt(dataStart)) await beforeMoves();
    await moveRanges(this.#sink, this.#moves(dataStart));
    let position = 0;
    for (const piece of encodeHeaderChunks(this.#header, this.#metadata)) {
      await this.#sink.write(piece, position);
      position += piece.byteLength;
    }
    const dataBytes = this.#bytes.reduce((sum, bytes) => sum + bytes, 0);
    await this.#sink.truncate(dataStart + dataBytes);
    return { bytes: dataStart + dataBytes, dataBytes };
  }

  *#moves(dataStart: number): Generator<Move> {
    let to = dataStart;
    for (let row = 0; row < this.#rows.length; row++) {
      const byteLength = this.#bytes[row] as number;
      if (byteLength > 0) yield { from: this.#position[row] as number, to, byteLength };
      to += byteLength;
    }
  }

  /** To be walked more than once: a million entries are made anew each time rather than kept. */
  get #header(): Iterable<TensorEntry> {
    return { [Symbol.iterator]: () => this.#entries() };
  }

  *#entries(): Generator<TensorEntry> {
    let begin = 0;
    for (let row = 0; row < this.#rows.length; row++) {
      const { name, dtype, shape, role } = this.#rows.output(row, "typical");
      const byteLength = this.#bytes[row] as number;
      const end = begin + byteLength;
      yield { name, dtype, shape: role === "quantState" ? [byteLength] : shape, begin, end };
      begin = end;
    }
  }

  #place(row: number): number {
    const shift = this.#inOrder && followsTexts(this.#rows.dtype(row)) ? this.#growth : 0;
    const position = this.#headerBytes + (this.#guess[row] as number) + shift;
    this.#position[row] = position;
    return position;
  }

  /** In file order, so that a text's true length shifts only what lies behind it. */
  async #writeParts(rows: readonly number[], parts: FinalParts): Promise<void> {
    for (const row of rows) {
      const bytes = parts.get(this.#rows.role(row));
      if (bytes === undefined) continue;
      const at = this.#place(row);
      this.#setBytes(row, bytes.byteLength);
      await this.#sink.write(bytes, at);
    }
  }

  #setBytes(row: number, byteLength: number): void {
    this.#growth += byteLength - (this.#bytes[row] as number);
    this.#bytes[row] = byteLength;
  }
}

function isStreamed(role: string): boolean {
  return role === "codes" || role === "copy";
}

function twice(name: string): PlanError {
  return new PlanError(
    `tensor ${quoted(name)} would be written twice; the checkpoint has a tensor of a name that ` +
      "quantization needs",
  );
}
