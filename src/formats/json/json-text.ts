/**
 * JSON text → tree → the text that Python writes. Config files are edited this way, so that every
 * number that was not touched keeps its spelling (`1e-05`, `10000.0`), as transformers keeps it.
 */

import { FormatError } from "../../foundation/errors.ts";
import { pythonString } from "./python.ts";
import { JsonTokenizer } from "./tokenizer.ts";
import type { JsonObject, JsonValue } from "./tree.ts";
import { TreeBuilder } from "./tree-builder.ts";
import { compareCodePoints } from "./utf8.ts";

/** Longest text that is read into a tree, in bytes; a model's config has some kilobytes. */
export const MAX_JSON_TEXT_BYTES = 64 * 2 ** 20;

/**
 * Parses strict JSON (UTF-8, no byte order mark, no duplicate keys, no lone surrogates), plus
 * Python's NaN, Infinity and -Infinity.
 *
 * @param file  how messages call it
 * @throws FormatError with the byte offset
 */
export function parseJson(input: Uint8Array | string, file?: string): JsonValue {
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  if (bytes.byteLength > MAX_JSON_TEXT_BYTES) {
    const problem = `${bytes.byteLength} bytes of JSON, at most ${MAX_JSON_TEXT_BYTES} are allowed`;
    throw new FormatError(problem, { file });
  }
  const builder = new TreeBuilder({ file });
  const tokenizer = new JsonTokenizer(builder, { allowNonFinite: true });
  tokenizer.push(bytes);
  tokenizer.finish();
  return builder.value as JsonValue;
}

/**
 * As `parseJson`, for a text that must hold an object.
 *
 * @throws FormatError
 */
export function parseJsonObject(input: Uint8Array | string, file?: string): JsonObject {
  const value = parseJson(input, file);
  if (value.kind === "object") return value;
  throw new FormatError(`the text holds ${value.kind}, expected an object`, { file, offset: 0 });
}

export interface DumpOptions {
  /** Spaces a level; undefined writes one line. @defaultValue undefined */
  readonly indent?: number | undefined;
  /** Orders the members of every object by code point. @defaultValue false */
  readonly sortKeys?: boolean | undefined;
}

/**
 * What Python's `json.dumps(tree, indent=…, sort_keys=…)` gives, except that numbers keep the
 * spelling they have in the tree. No line feed at the end.
 */
export function dumpPython(tree: JsonValue, options: DumpOptions = {}): string {
  return dump(tree, options, "\n");
}

/** @param newline  a line feed and the spaces of the level that `value` is on */
function dump(value: JsonValue, options: DumpOptions, newline: string): string {
  switch (value.kind) {
    case "string":
      return pythonString(value.value);
    case "number":
      return value.text;
    case "boolean":
      return String(value.value);
    case "null":
      return "null";
    case "array": {
      const inner = newline + " ".repeat(options.indent ?? 0);
      const items = value.items.map((item) => dump(item, options, inner));
      return wrap("[", items, "]", options, newline, inner);
    }
    case "object": {
      const inner = newline + " ".repeat(options.indent ?? 0);
      const members = [...value.members];
      if (options.sortKeys === true) members.sort(([a], [b]) => compareCodePoints(a, b));
      const texts = members.map(([key, member]) => {
        return `${pythonString(key)}: ${dump(member, options, inner)}`;
      });
      return wrap("{", texts, "}", options, newline, inner);
    }
  }
}

function wrap(
  opening: string,
  parts: readonly string[],
  closing: string,
  { indent }: DumpOptions,
  newline: string,
  inner: string,
): string {
  if (parts.length === 0) return opening + closing;
  if (indent === undefined) return opening + parts.join(", ") + closing;
  return opening + inner + parts.join(`,${inner}`) + newline + closing;
}
