/** Writing GGUF: where everything lies, and the header's bytes. */

import { ArgumentError } from "../../foundation/errors.ts";
import { ALIGNMENT_KEY } from "./header-parser.ts";
import {
  DEFAULT_ALIGNMENT,
  MAGIC,
  MAX_DIMENSIONS,
  MAX_NAME_BYTES,
  WRITTEN_VERSION,
} from "./limits.ts";
import type { GgufMetadata } from "./metadata.ts";
import { aligned, type GgufTensor, type GgufTensorShape, ggufTensorBytes } from "./tensor.ts";
import { encodeString, type GgufEntry, VALUE_TYPES } from "./values.ts";

/** Where everything lies in a file that is to be written. */
export interface GgufLayout {
  readonly metadata: GgufMetadata;
  /** In the order given. */
  readonly tensors: readonly GgufTensor[];
  readonly alignment: number;
  /** Where the data section begins, in bytes. */
  readonly dataStart: number;
  readonly fileBytes: number;
}

/**
 * Lays a file out: tensors in the order given, each padded to the alignment, which is the metadata's
 * `general.alignment` or 32.
 *
 * @throws ArgumentError for a name or dimensions that GGUF cannot hold
 */
export function layoutGguf(metadata: GgufMetadata, shapes: Iterable<GgufTensorShape>): GgufLayout {
  const alignment = metadata.integer(ALIGNMENT_KEY) ?? DEFAULT_ALIGNMENT;
  const tensors: GgufTensor[] = [];
  let dataBytes = 0;
  let headerBytes = 24;
  for (const { key, bytes } of metadata) headerBytes += 12 + utf8Bytes(key) + bytes.byteLength;
  for (const { name, dimensions, type } of shapes) {
    const nameBytes = utf8Bytes(name);
    if (nameBytes > MAX_NAME_BYTES) {
      throw new ArgumentError("tensors", `names of at most ${MAX_NAME_BYTES} bytes`, name);
    }
    const size = ggufTensorBytes({ dimensions, type });
    if ("problem" in size || dimensions.length > MAX_DIMENSIONS) {
      const problem = "problem" in size ? size.problem : `${dimensions.length} dimensions`;
      throw new ArgumentError("tensors", "dimensions that GGUF can hold", `${name}: ${problem}`);
    }
    const { byteLength } = size;
    tensors.push({ name, dimensions, type, offset: dataBytes, byteLength });
    dataBytes += aligned(byteLength, alignment);
    headerBytes += 8 + nameBytes + 4 + 8 * dimensions.length + 12;
  }
  const dataStart = tensors.length > 0 ? aligned(headerBytes, alignment) : headerBytes;
  return { metadata, tensors, alignment, dataStart, fileBytes: dataStart + dataBytes };
}

/**
 * The header with its padding, `dataStart` bytes in all. Large values are not copied: they come as
 * the views that they are.
 *
 * @param version 2 or 3; a reader of 2 takes the same bytes
 */
export function* encodeGgufHeader(
  { metadata, tensors, dataStart }: GgufLayout,
  version: number = WRITTEN_VERSION,
): Generator<Uint8Array, void, undefined> {
  let written = 0;
  let small: Uint8Array[] = [];
  let smallBytes = 0;
  const add = (bytes: Uint8Array) => {
    small.push(bytes);
    smallBytes += bytes.byteLength;
    written += bytes.byteLength;
  };
  const take = () => {
    const bytes = joined(small);
    small = [];
    smallBytes = 0;
    return bytes;
  };
  for (const part of [u32(MAGIC), u32(version), u64(tensors.length), u64(metadata.size)]) add(part);
  for (const { key, type, bytes } of metadata as Iterable<GgufEntry>) {
    add(encodeString(key));
    add(u32(VALUE_TYPES.indexOf(type)));
    if (bytes.byteLength < PIECE_BYTES) add(bytes);
    else {
      yield take();
      yield bytes;
      written += bytes.byteLength;
    }
    if (smallBytes >= PIECE_BYTES) yield take();
  }
  for (const { name, dimensions, type, offset } of tensors) {
    add(encodeString(name));
    for (const part of [u32(dimensions.length), ...dimensions.map(u64)]) add(part);
    for (const part of [u32(type.id), u64(offset)]) add(part);
    if (smallBytes >= PIECE_BYTES) yield take();
  }
  add(new Uint8Array(dataStart - written));
  yield take();
}

/** Pieces of the header up to this size are copied into larger ones. */
const PIECE_BYTES = 1 << 16;

/** The header in one piece. */
export function ggufHeaderBytes(layout: GgufLayout, version?: number): Uint8Array {
  return joined([...encodeGgufHeader(layout, version)]);
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}
