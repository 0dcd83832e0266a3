/** The values of GGUF's metadata: their types, and how they lie in a file. */

import { ArgumentError } from "../../foundation/errors.ts";

/** In the order of their numbers in a file. */
export const VALUE_TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const;

export type GgufValueType = (typeof VALUE_TYPES)[number];

/** Bytes of a value; 0 where they depend on the value. */
export const VALUE_BYTES: Readonly<Record<GgufValueType, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  bool: 1,
  string: 0,
  array: 0,
  uint64: 8,
  int64: 8,
  float64: 8,
};

/** One key with its value, raw: what is not understood is copied as it is. */
export interface GgufEntry {
  readonly key: string;
  readonly type: GgufValueType;
  /** The value as in the file; of an array with its element type and count, of a string with its length. */
  readonly bytes: Uint8Array;
}

/** 64-bit integers that a number cannot hold exactly are bigint. */
export type GgufScalar = number | bigint | boolean | string;
export type GgufValue = GgufScalar | readonly GgufScalar[];

/** A value in JavaScript's terms. Malformed UTF-8 becomes U+FFFD. */
export function ggufValue({ type, bytes }: GgufEntry): GgufValue {
  if (type !== "array") return new Cursor(bytes, 0).take(type);
  const { elementType, count } = ggufArrayOf(bytes);
  const cursor = new Cursor(bytes, ARRAY_PREFIX_BYTES);
  return Array.from({ length: count }, () => cursor.take(elementType));
}

/** What an array's bytes begin with: u32 element type, u64 count. */
export const ARRAY_PREFIX_BYTES = 12;

/** Element type and count of an array's bytes. */
export function ggufArrayOf(bytes: Uint8Array): {
  readonly elementType: GgufValueType;
  readonly count: number;
} {
  const view = viewOf(bytes);
  const elementType = VALUE_TYPES[view.getUint32(0, true)] as GgufValueType;
  return { elementType, count: Number(view.getBigUint64(4, true)) };
}

const utf8 = new TextDecoder();

class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#at = at;
  }

  take(type: GgufValueType): GgufScalar {
    const at = this.#at;
    this.#at += VALUE_BYTES[type];
    switch (type) {
      case "uint8":
        return this.#view.getUint8(at);
      case "int8":
        return this.#view.getInt8(at);
      case "uint16":
        return this.#view.getUint16(at, true);
      case "int16":
        return this.#view.getInt16(at, true);
      case "uint32":
        return this.#view.getUint32(at, true);
      case "int32":
        return this.#view.getInt32(at, true);
      case "float32":
        return this.#view.getFloat32(at, true);
      case "float64":
        return this.#view.getFloat64(at, true);
      case "bool":
        return this.#view.getUint8(at) !== 0;
      case "uint64":
        return exact(this.#view.getBigUint64(at, true));
      case "int64":
        return exact(this.#view.getBigInt64(at, true));
      case "string": {
        const end = at + 8 + Number(this.#view.getBigUint64(at, true));
        this.#at = end;
        return utf8.decode(this.#bytes.subarray(at + 8, end));
      }
      case "array":
        throw new Error("unreachable: the parser refuses arrays of arrays");
    }
  }
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * An entry for a value.
 *
 * @param type of the value, or of the elements of an array
 * @throws ArgumentError for a value that the type cannot hold
 */
export function ggufEntry(
  key: string,
  type: Exclude<GgufValueType, "array">,
  value: GgufValue,
): GgufEntry {
  if (!isArray(value)) return { key, type, bytes: encodeScalar(key, type, value) };
  const parts = value.map((element) => encodeScalar(key, type, element));
  const size = parts.reduce((sum, { byteLength }) => sum + byteLength, ARRAY_PREFIX_BYTES);
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  view.setUint32(0, VALUE_TYPES.indexOf(type), true);
  view.setBigUint64(4, BigInt(parts.length), true);
  let at = ARRAY_PREFIX_BYTES;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return { key, type: "array", bytes };
}

function isArray(value: GgufValue): value is readonly GgufScalar[] {
  return Array.isArray(value);
}

/** Smallest and largest whole number of each type. */
const RANGES: Partial<Record<GgufValueType, readonly [bigint, bigint]>> = {
  uint8: [0n, 2n ** 8n],
  int8: [-(2n ** 7n), 2n ** 7n],
  uint16: [0n, 2n ** 16n],
  int16: [-(2n ** 15n), 2n ** 15n],
  uint32: [0n, 2n ** 32n],
  int32: [-(2n ** 31n), 2n ** 31n],
  uint64: [0n, 2n ** 64n],
  int64: [-(2n ** 63n), 2n ** 63n],
};

function encodeScalar(key: string, type: GgufValueType, value: GgufScalar): Uint8Array {
  if (type === "string") {
    if (typeof value !== "string") throw new ArgumentError(key, "a string", value);
    return encodeString(value);
  }
  const bytes = new Uint8Array(VALUE_BYTES[type]);
  const view = viewOf(bytes);
  if (type === "bool") {
    if (typeof value !== "boolean") throw new ArgumentError(key, "a boolean", value);
    bytes[0] = value ? 1 : 0;
  } else if (type === "float32" || type === "float64") {
    if (typeof value !== "number") throw new ArgumentError(key, "a number", value);
    if (type === "float32") view.setFloat32(0, value, true);
    else view.setFloat64(0, value, true);
  } else {
    const range = RANGES[type] as readonly [bigint, bigint];
    const isWhole = typeof value === "bigint" || Number.isInteger(value);
    if (!isWhole || (value as number) < range[0] || (value as number) >= range[1]) {
      throw new ArgumentError(key, `a whole number that fits into ${type}`, value);
    }
    for (let i = 0, left = BigInt(value); i < bytes.byteLength; i++, left >>= 8n) {
      bytes[i] = Number(left & 255n);
    }
  }
  return bytes;
}

/** u64 length, then UTF-8. */
export function encodeString(text: string): Uint8Array {
  const utf8Bytes = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + utf8Bytes.byteLength);
  viewOf(bytes).setBigUint64(0, BigInt(utf8Bytes.byteLength), true);
  bytes.set(utf8Bytes, 8);
  return bytes;
}

export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
