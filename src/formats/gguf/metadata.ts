/** The keys of a GGUF file, in order, with what reading them needs. */

import { FormatError, quoted } from "../../foundation/errors.ts";
import { type GgufEntry, type GgufValue, ggufValue } from "./values.ts";

/** Keys and raw values in the order of the file. Immutable. */
export class GgufMetadata implements Iterable<GgufEntry> {
  readonly #entries: ReadonlyMap<string, GgufEntry>;
  /** How messages call the file. */
  readonly #file: string | undefined;

  constructor(entries: Iterable<GgufEntry> = [], file?: string) {
    this.#entries = new Map([...entries].map((entry) => [entry.key, entry]));
    this.#file = file;
  }

  get size(): number {
    return this.#entries.size;
  }

  [Symbol.iterator](): IterableIterator<GgufEntry> {
    return this.#entries.values();
  }

  get(key: string): GgufEntry | undefined {
    return this.#entries.get(key);
  }

  /** A value in JavaScript's terms, or undefined without the key. */
  value(key: string): GgufValue | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined ? undefined : ggufValue(entry);
  }

  /** @throws FormatError when the value is no string */
  string(key: string): string | undefined {
    const value = this.value(key);
    if (value === undefined || typeof value === "string") return value;
    return this.#wrong(key, "a string");
  }

  /**
   * The first element counts where a model has a number for each layer.
   *
   * @throws FormatError when the value is neither a whole number nor an array of them
   */
  integer(key: string): number | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    const number = typeof value === "object" ? value[0] : value;
    if (typeof number === "number" && Number.isSafeInteger(number)) return number;
    return this.#wrong(key, "a whole number, or an array of them");
  }

  /** Without some keys, and with others at the end, in their order. */
  with(entries: Iterable<GgufEntry>, without: Iterable<string> = []): GgufMetadata {
    const added = [...entries];
    const dropped = new Set([...without, ...added.map(({ key }) => key)]);
    return new GgufMetadata(
      [...[...this].filter(({ key }) => !dropped.has(key)), ...added],
      this.#file,
    );
  }

  #wrong(key: string, expected: string): never {
    const type = this.#entries.get(key)?.type;
    throw new FormatError(`key ${quoted(key)} is of type ${type}, expected ${expected}`, {
      file: this.#file,
    });
  }
}
