/** The small tables of JSON's grammar (RFC 8259) that the tokenizer asks, byte by byte. */

import { hexByte } from "./utf8.ts";

/** Any JSON number. */
export const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** The byte after a backslash → the code point it stands for. */
export const SHORT_ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0x2f, 0x2f],
  [0x62, 0x08],
  [0x66, 0x0c],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
]);

/** Bytes that numbers and words are made of. */
export function isBare(byte: number): boolean {
  if (byte >= 0x30 && byte <= 0x39) return true;
  if ((byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a)) return true;
  return byte === 0x2d || byte === 0x2b || byte === 0x2e;
}

/** Digits only, without a leading zero: nearly every number of a header. */
export function isPlainInteger(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] === 0x30) return end === start + 1;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x30 || byte > 0x39) return false;
  }
  return true;
}

/** 0 … 15, or −1 for what is no hexadecimal digit. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** A byte as a message shows it. */
export function spellByte(byte: number): string {
  return byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `byte 0x${hexByte(byte)}`;
}

/** Whether `bytes[start..end)` spells the ASCII text; makes no string. */
export function spells(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

/** Digits only, up to 2^53 − 1; −1 for any other number. */
export function wholeNumber(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > 16) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value > Number.MAX_SAFE_INTEGER ? -1 : value;
}
