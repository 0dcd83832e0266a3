/**
 * Writes a safetensors file into a sink that can seek, byte for byte as the reference writer
 * would: its tensor order, exact JSON texts, a header without slack.
 *
 * Everything but the length of double quantized `quant_state` texts is known beforehand. Tensors
 * are written where they belong by what is known; when the true lengths are in, whatever lies
 * elsewhere is moved once.
 */

import {
  compareTensors,
  encodeHeader,
  headerByteLength,
  type TensorEntry,
} from "../formats/safetensors/index.ts";
import type { ByteSink } from "../foundation/byte-source.ts";
import { PlanError, quoted } from "../foundation/errors.ts";
import type { FinalParts, OutputTensor } from "./layouts/layout.ts";
import { type Move, moveRanges } from "./move-ranges.ts";
import type { TextSize } from "./unit.ts";
import type { UnitWriter } from "./unit-writer.ts";

/** What `__metadata__` must say for transformers to accept a checkpoint. */
export const METADATA: ReadonlyMap<string, string> = new Map([["format", "pt"]]);

interface Row<Key> {
  readonly key: Key;
  output: OutputTensor;
}

interface Placed {
  readonly output: OutputTensor;
  /** Offset in the data section by the guessed lengths. */
  readonly guess: number;
  /** Offset in the file where it was written; −1 before. */
  position: number;
  byteLength: number;
}

export class ExactFile<Key> {
  readonly #sink: ByteSink;
  /** In file order. */
  readonly #placed: Placed[] = [];
  readonly #byUnit = new Map<Key, Placed[]>();
  readonly #headerBytes: number;
  readonly #inOrder: boolean;
  /** How much longer the texts so far are than they were guessed. */
  #growth = 0;

  /**
   * @param keys the units of this file
   * @param outputsOf a unit's stored tensors, their text sizes guessed or bounded
   * @param inOrder the caller will take the units as `order` gives them: then texts of another
   * length than guessed shift what follows before it is written
   */
  constructor(
    sink: ByteSink,
    keys: Iterable<Key>,
    outputsOf: (key: Key, text: TextSize) => readonly OutputTensor[],
    inOrder: boolean,
  ) {
    this.#sink = sink;
    const rows: Row<Key>[] = [];
    for (const key of keys) {
      for (const output of outputsOf(key, inOrder ? "typical" : "longest")) {
        rows.push({ key, output });
      }
    }
    rows.sort((a, b) => compareTensors(a.output, b.output));
    this.#inOrder = inOrder && textsComeInOrder(rows);
    if (inOrder && !this.#inOrder) boundTexts(rows, outputsOf);
    let offset = 0;
    for (const [index, { key, output }] of rows.entries()) {
      if (output.name === rows[index - 1]?.output.name) throw twice(output.name);
      const { byteLength } = output;
      const placed = { output, guess: offset, position: -1, byteLength };
      this.#placed.push(placed);
      const ofUnit = this.#byUnit.get(key);
      if (ofUnit === undefined) this.#byUnit.set(key, [placed]);
      else ofUnit.push(placed);
      offset += byteLength;
    }
    this.#headerBytes = headerByteLength(this.#entries(), METADATA);
  }

  /** Bytes of the whole file by the guessed text sizes; a bound when those are bounds. */
  get expectedBytes(): number {
    const last = this.#placed.at(-1);
    return this.#headerBytes + (last === undefined ? 0 : last.guess + last.output.byteLength);
  }

  /** Names of the tensors, in file order. */
  *names(): Generator<string> {
    for (const { output } of this.#placed) yield output.name;
  }

  /** Keys of the units in the order that writes every tensor where it stays. */
  order(): Key[] {
    const last = new Map<Key, number>();
    for (const [key, placed] of this.#byUnit) {
      last.set(key, (placed.at(-1) as Placed).guess);
    }
    return [...last.keys()].sort((a, b) => (last.get(a) as number) - (last.get(b) as number));
  }

  writer(key: Key): UnitWriter {
    const placed = this.#byUnit.get(key) as Placed[];
    const stream = placed.find(({ output }) => output.role === "codes" || output.role === "copy");
    let position = stream === undefined ? 0 : this.#place(stream);
    return {
      quantStateBytes: 0,
      write: (bytes) => {
        const at = position;
        position += bytes.byteLength;
        return this.#sink.write(bytes, at);
      },
      finish: (parts) => this.#writeParts(placed, parts),
    };
  }

  /** Moves what must move and writes the header. */
  async finish(): Promise<{ bytes: number; dataBytes: number }> {
    const header = encodeHeader(this.#entries(), METADATA);
    let position = header.byteLength;
    const moves: Move[] = [];
    for (const { position: from, byteLength } of this.#placed) {
      if (byteLength > 0) moves.push({ from, to: position, byteLength });
      position += byteLength;
    }
    await moveRanges(this.#sink, moves);
    await this.#sink.write(header, 0);
    await this.#sink.truncate(position);
    return { bytes: position, dataBytes: position - header.byteLength };
  }

  *#entries(): Generator<TensorEntry> {
    let begin = 0;
    for (const { output, byteLength } of this.#placed) {
      const { name, dtype, shape, role } = output;
      const end = begin + byteLength;
      yield { name, dtype, shape: role === "quantState" ? [byteLength] : shape, begin, end };
      begin = end;
    }
  }

  #place(placed: Placed): number {
    const growth = this.#inOrder && followsTexts(placed.output) ? this.#growth : 0;
    placed.position = this.#headerBytes + placed.guess + growth;
    return placed.position;
  }

  async #writeParts(placed: readonly Placed[], parts: FinalParts): Promise<void> {
    // By offset, so that the text's true length shifts only what lies behind it.
    for (const item of placed) {
      const bytes = parts.get(item.output.role);
      if (bytes === undefined) continue;
      const at = this.#place(item);
      this.#growth += bytes.byteLength - item.byteLength;
      item.byteLength = bytes.byteLength;
      await this.#sink.write(bytes, at);
    }
  }
}

/**
 * True when no unit's tensors interleave with another's where the texts are. Names such as
 * `a.weight` beside `a.weight.b` break that.
 */
function textsComeInOrder<Key>(rows: readonly Row<Key>[]): boolean {
  const seen = new Set<Key>();
  let current: Key | undefined;
  for (const { key, output } of rows) {
    if (!followsTexts(output) || key === current) continue;
    if (seen.has(key)) return false;
    seen.add(key);
    current = key;
  }
  return true;
}

/** Replaces guessed text sizes by their upper bounds. */
function boundTexts<Key>(
  rows: readonly Row<Key>[],
  outputsOf: (key: Key, text: TextSize) => readonly OutputTensor[],
): void {
  for (const row of rows) {
    if (row.output.role !== "quantState") continue;
    const { name } = row.output;
    row.output = outputsOf(row.key, "longest").find((o) => o.name === name) ?? row.output;
  }
}

/** The reference order puts U8, which the texts are, and BOOL last. */
function followsTexts({ dtype }: OutputTensor): boolean {
  return dtype === "U8" || dtype === "BOOL";
}

function twice(name: string): PlanError {
  return new PlanError(
    `tensor ${quoted(name)} would be written twice; the checkpoint has a tensor of a name that ` +
      "quantization needs",
  );
}
