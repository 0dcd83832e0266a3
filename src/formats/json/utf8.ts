/** UTF-8, strictly: where it breaks, how long it gets, and the order of its code points. */

import { FormatError, type FormatErrorPlace } from "../../foundation/errors.ts";

/** A leading U+FEFF is data here, never a mark to drop: names must survive as they are. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Bytes → string, refusing anything that is not well-formed UTF-8.
 *
 * @param place  where `bytes` begin, for the message
 * @throws FormatError with the offset of the first malformed sequence
 */
export function decodeUtf8(bytes: Uint8Array, place: FormatErrorPlace = {}): string {
  const bad = malformedUtf8At(bytes, 0, bytes.byteLength);
  if (bad !== -1) {
    throw new FormatError(`byte 0x${hexByte(bytes[bad])} is not valid UTF-8 here`, {
      ...place,
      offset: (place.offset ?? 0) + bad,
    });
  }
  return decoder.decode(bytes);
}

/** `bytes[start..end)` → string; the caller has checked that they are well-formed. */
export function decodeCheckedUtf8(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}

/** Two lowercase hexadecimal digits. */
export function hexByte(byte: number | undefined): string {
  return (byte ?? 0).toString(16).padStart(2, "0");
}

/**
 * Index of the first byte that starts no well-formed UTF-8 sequence within `[start, end)`, or −1.
 * Overlong forms, surrogates and everything above U+10FFFF are malformed (Unicode table 3-7).
 */
export function malformedUtf8At(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const lead = bytes[at] as number;
    if (lead < 0x80) {
      at += 1;
      continue;
    }
    let extra: number;
    let low = 0x80;
    let high = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) extra = 1;
    else if (lead >= 0xe0 && lead <= 0xef) {
      extra = 2;
      if (lead === 0xe0) low = 0xa0;
      if (lead === 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      extra = 3;
      if (lead === 0xf0) low = 0x90;
      if (lead === 0xf4) high = 0x8f;
    } else return at;
    if (at + extra >= end) return at;
    for (let k = 1; k <= extra; k++) {
      const next = bytes[at + k] as number;
      if (next < low || next > high) return at;
      low = 0x80;
      high = 0xbf;
    }
    at += extra + 1;
  }
  return -1;
}

/** Bytes of `text` in UTF-8; −1 when it holds a lone surrogate, which UTF-8 cannot. */
export function utf8ByteLength(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit < 0xd800 || unit > 0xdfff) bytes += 3;
    else {
      const next = i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
      if (unit > 0xdbff || next < 0xdc00 || next > 0xdfff) return -1;
      bytes += 4;
      i += 1;
    }
  }
  return bytes;
}

/**
 * Orders by code point, which is also the order of the UTF-8 bytes (Rust's `str`, Python's `str`).
 * JavaScript's `<` compares UTF-16 units and puts U+10000 before U+E000.
 */
export function compareCodePoints(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return codePointWeight(left) - codePointWeight(right);
  }
  return a.length - b.length;
}

/** Lifts surrogates above U+E000…U+FFFF. */
function codePointWeight(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
