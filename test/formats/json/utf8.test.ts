import { describe, expect, it } from "vitest";
import { compareCodePoints, decodeUtf8, utf8ByteLength } from "../../../src/formats/json/index.ts";
import { malformedUtf8At } from "../../../src/formats/json/utf8.ts";
import { formatErrorOf } from "../safetensors/files.ts";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function isWellFormed(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

describe("Strict UTF-8", () => {
  it("agrees with the platform's fatal decoder on every lead and second byte", () => {
    const different: Uint8Array[] = [];
    for (let lead = 0; lead < 256; lead++) {
      for (let second = 0; second < 256; second++) {
        for (const tail of [[], [0x80], [0xbf, 0x80], [0x41]]) {
          const bytes = Uint8Array.of(lead, second, ...tail);
          const isGood = malformedUtf8At(bytes, 0, bytes.byteLength) === -1;
          if (isGood !== isWellFormed(bytes)) different.push(bytes);
        }
      }
    }
    expect(different).toEqual([]);
  });

  it("says where the first malformed sequence begins", () => {
    const bytes = Uint8Array.of(0x61, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80, 0xe2, 0x82);
    expect(malformedUtf8At(bytes, 0, 7)).toBe(-1);
    expect(malformedUtf8At(bytes, 0, 9)).toBe(7);
    const error = formatErrorOf(() => decodeUtf8(bytes, { file: "f", offset: 100 }));
    expect(error.message).toBe("f, byte 107: byte 0xe2 is not valid UTF-8 here");
  });

  it("keeps a byte order mark as the data it is", () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe("\ufeffa");
  });

  it("counts bytes, and refuses to count half a surrogate pair", () => {
    for (const text of ["", "a", "é", "€", "😀", "aé€😀"]) {
      expect(utf8ByteLength(text)).toBe(new TextEncoder().encode(text).byteLength);
    }
    for (const text of ["\ud83d", "\ude00", "\ude00\ud83d", "a\ud83d", "\ud83da"]) {
      expect(utf8ByteLength(text)).toBe(-1);
    }
  });
});

describe("compareCodePoints", () => {
  it("orders as the UTF-8 bytes do", () => {
    const texts = [
      "",
      "a",
      "ab",
      "b",
      "é",
      "\ud7ff",
      "\ue000",
      "\uffff",
      "\u{10000}",
      "\u{10ffff}",
    ];
    for (const a of texts) {
      for (const b of texts) {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareCodePoints(a, b))).toBe(expected);
      }
    }
  });
});
