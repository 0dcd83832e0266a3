/** Builds one JSON value out of tokens; refuses duplicate keys. */

import { FormatError, type FormatErrorPlace, quoted } from "../../foundation/errors.ts";
import type { JsonHandler } from "./tokenizer.ts";
import { JSON_NULL, type JsonValue } from "./tree.ts";
import { decodeCheckedUtf8 } from "./utf8.ts";

/** Values in one tree: each costs some hundred bytes; a model's config has some thousand at most. */
export const MAX_TREE_VALUES = 1_000_000;

type OpenContainer =
  | { readonly kind: "object"; readonly members: Map<string, JsonValue>; key: string }
  | { readonly kind: "array"; readonly items: JsonValue[] };

export class TreeBuilder implements JsonHandler {
  /** The value, once it is complete. */
  value: JsonValue | undefined;
  readonly maxStringBytes: number;
  readonly #place: FormatErrorPlace;
  readonly #open: OpenContainer[] = [];
  #valueCount = 0;

  /** @param place  what errors say besides the offset */
  constructor(place: FormatErrorPlace, maxStringBytes = 64 * 2 ** 20) {
    this.#place = place;
    this.maxStringBytes = maxStringBytes;
  }

  beginObject(offset: number): void {
    const members = new Map<string, JsonValue>();
    this.#put({ kind: "object", members }, offset);
    this.#open.push({ kind: "object", members, key: "" });
  }

  endObject(): void {
    this.#open.pop();
  }

  beginArray(offset: number): void {
    const items: JsonValue[] = [];
    this.#put({ kind: "array", items }, offset);
    this.#open.push({ kind: "array", items });
  }

  endArray(): void {
    this.#open.pop();
  }

  key(bytes: Uint8Array, start: number, end: number, offset: number): void {
    const object = this.#open.at(-1);
    if (object?.kind !== "object") throw new TypeError("a key outside an object");
    object.key = decodeCheckedUtf8(bytes, start, end);
    if (object.members.has(object.key)) {
      this.fail(`the key ${quoted(object.key)} appears twice, expected once`, offset);
    }
  }

  string(bytes: Uint8Array, start: number, end: number, offset: number): void {
    this.#put({ kind: "string", value: decodeCheckedUtf8(bytes, start, end) }, offset);
  }

  number(bytes: Uint8Array, start: number, end: number, offset: number): void {
    this.#put({ kind: "number", text: decodeCheckedUtf8(bytes, start, end) }, offset);
  }

  word(word: "true" | "false" | "null", offset: number): void {
    this.#put(word === "null" ? JSON_NULL : { kind: "boolean", value: word === "true" }, offset);
  }

  fail(problem: string, offset: number): never {
    throw new FormatError(problem, { ...this.#place, offset });
  }

  #put(value: JsonValue, offset: number): void {
    this.#valueCount += 1;
    if (this.#valueCount > MAX_TREE_VALUES) {
      this.fail(`more than ${MAX_TREE_VALUES} values, no more are allowed`, offset);
    }
    const parent = this.#open.at(-1);
    if (parent === undefined) this.value = value;
    else if (parent.kind === "array") parent.items.push(value);
    else parent.members.set(parent.key, value);
  }
}
