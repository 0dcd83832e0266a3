/** Small safetensors files for tests. */

import { describe, expect, it } from "vitest";
import { HeaderParser, type TensorTable } from "../../../src/formats/safetensors/index.ts";
import { FormatError } from "../../../src/foundation/errors.ts";

/** The 8 length bytes, this header text and `dataBytes` zeros. */
export function fileOf(header: string | Uint8Array, dataBytes = 0): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.byteLength + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.byteLength), true);
  bytes.set(text, 8);
  return bytes;
}

/** One entry of a header as text. */
export function entryText(name: string, dtype: string, shape: string, offsets: string): string {
  return `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
}

/** A file with these entries and `dataBytes` zeros. */
export function fileWith(entries: readonly string[], dataBytes: number): Uint8Array {
  return fileOf(`{${entries.join(",")}}`, dataBytes);
}

/** Parses a whole file's header, pushed in chunks of `chunkBytes`. */
export function parse(file: Uint8Array, chunkBytes = file.byteLength): TensorTable {
  const parser = new HeaderParser({ file: "model.safetensors", fileByteLength: file.byteLength });
  for (let at = 0; at < file.byteLength && !parser.done; at += Math.max(1, chunkBytes)) {
    parser.push(file.subarray(at, at + Math.max(1, chunkBytes)));
  }
  return parser.finish();
}

/** The FormatError that `action` throws; anything else fails the test. */
export function formatErrorOf(action: () => unknown): FormatError {
  try {
    action();
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
  throw new Error("expected a FormatError, nothing was thrown");
}

/** What is wrong, the file, and what the error says: part of the message, tensor, byte offset. */
export type BadFile = readonly [
  problem: string,
  file: Uint8Array,
  message: string,
  tensor: string | undefined,
  offset: number,
];

export function describeBadFiles(title: string, files: readonly BadFile[]): void {
  describe(title, () => {
    it.each(files)("%s", (_problem, file, message, tensor, offset) => {
      const error = formatErrorOf(() => parse(file));
      expect(error.message).toContain(message);
      expect(error.message).toContain("model.safetensors");
      expect(error.message).toContain(`byte ${offset}`);
      expect(error).toMatchObject({ file: "model.safetensors", tensor, offset, code: "FORMAT" });
    });

    it("with the same words whatever the chunks are", () => {
      for (const [, file] of files) {
        const whole = formatErrorOf(() => parse(file)).message;
        expect(formatErrorOf(() => parse(file, 1)).message).toBe(whole);
      }
    });
  });
}
