/**
 * Writes safetensors headers, byte for byte as the reference library (serde_json's compact form).
 * `JSON.stringify` escapes well-formed strings exactly as serde_json does: short escapes for
 * \b \t \n \f \r " \, lowercase \u00xx for other control characters, everything else raw.
 */

import { ArgumentError } from "../../foundation/errors.ts";
import { utf8ByteLength } from "../json/utf8.ts";
import { HEADER_ALIGNMENT_BYTES, LENGTH_BYTES, WRITTEN_HEADER_BYTES_MAX } from "./limits.ts";
import type { TensorEntry } from "./tensor-table.ts";

/** With the u flag, surrogate pairs are one letter and only a lone half has this property. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Text gathered before it is encoded, in UTF-16 units. */
const BATCH_UNITS = 1 << 16;

/**
 * Bytes that `encodeHeader` gives, length field and padding included, without building them.
 *
 * @throws ArgumentError when a name or metadata string holds a lone surrogate, or the header would
 *   be longer than `WRITTEN_HEADER_BYTES_MAX`
 */
export function headerByteLength(
  entries: Iterable<TensorEntry>,
  metadata?: ReadonlyMap<string, string>,
): number {
  let bytes = 2;
  let separator = 0;
  for (const text of memberTexts(entries, metadata)) {
    bytes += utf8ByteLength(text) + separator;
    separator = 1;
    if (bytes > WRITTEN_HEADER_BYTES_MAX) {
      const most = `at most ${WRITTEN_HEADER_BYTES_MAX} bytes (start another shard)`;
      throw new ArgumentError("header", most, bytes);
    }
  }
  const padded = Math.ceil(bytes / HEADER_ALIGNMENT_BYTES) * HEADER_ALIGNMENT_BYTES;
  return LENGTH_BYTES + padded;
}

/**
 * The 8-byte length and the JSON header of these tensors, in the order given, padded with spaces to
 * a multiple of 8.
 *
 * @param entries   as `layoutTensors` or a `TensorTable` gives them; read twice
 * @param metadata  written first as `__metadata__`, unless it is empty
 * @throws ArgumentError as `headerByteLength`
 */
export function encodeHeader(
  entries: Iterable<TensorEntry>,
  metadata?: ReadonlyMap<string, string>,
): Uint8Array {
  const list = reiterable(entries);
  const bytes = new Uint8Array(headerByteLength(list, metadata));
  let at = 0;
  for (const chunk of encodeHeaderChunks(list, metadata)) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/**
 * As `encodeHeader`, in chunks of at most some hundred KB, each a buffer of its own.
 *
 * @throws ArgumentError as `headerByteLength`, before the first chunk
 */
export function* encodeHeaderChunks(
  entries: Iterable<TensorEntry>,
  metadata?: ReadonlyMap<string, string>,
): Generator<Uint8Array<ArrayBuffer>, void, undefined> {
  const list = reiterable(entries);
  const total = headerByteLength(list, metadata);
  const encoder = new TextEncoder();
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setBigUint64(0, BigInt(total - LENGTH_BYTES), true);
  yield length;
  let written = LENGTH_BYTES;
  let batch = "";
  let separator = "{";
  for (const text of memberTexts(list, metadata)) {
    batch += separator + text;
    separator = ",";
    if (batch.length < BATCH_UNITS) continue;
    const bytes = encoder.encode(batch);
    written += bytes.byteLength;
    batch = "";
    yield bytes;
  }
  const tail = encoder.encode(`${batch}${separator === "{" ? "{" : ""}}`);
  const padded = new Uint8Array(total - written).fill(0x20);
  padded.set(tail);
  yield padded;
}

function* memberTexts(
  entries: Iterable<TensorEntry>,
  metadata: ReadonlyMap<string, string> | undefined,
): Generator<string, void, undefined> {
  if (metadata !== undefined && metadata.size > 0) {
    const members = [...metadata].map(([key, value]) => `${jsonText(key)}:${jsonText(value)}`);
    yield `"__metadata__":{${members.join(",")}}`;
  }
  for (const { name, dtype, shape, begin, end } of entries) {
    const place = `"shape":[${shape.join(",")}],"data_offsets":[${begin},${end}]`;
    yield `${jsonText(name)}:{"dtype":"${dtype}",${place}}`;
  }
}

/** `JSON.stringify` would hide a lone surrogate in an escape that readers refuse. */
function jsonText(text: string): string {
  if (LONE_SURROGATE.test(text)) {
    throw new ArgumentError("header", "strings without lone surrogates", text);
  }
  return JSON.stringify(text);
}

/** A generator can be walked only once. */
function reiterable<T>(values: Iterable<T>): Iterable<T> {
  return (values[Symbol.iterator]() as unknown) === values ? [...values] : values;
}
