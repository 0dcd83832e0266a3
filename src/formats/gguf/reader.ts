/** Reading GGUF from a source with ranges. */

import type { ByteSource } from "../../foundation/byte-source.ts";
import { type GgufHeader, GgufHeaderParser } from "./header-parser.ts";
import { HEADER_WINDOW_BYTES } from "./limits.ts";

/** A file whose header was read and found valid against the file's size. */
export interface GgufFile {
  readonly header: GgufHeader;
  readonly source: ByteSource;
}

/**
 * Reads and validates the header; no tensor data is read.
 *
 * @throws FormatError when the file is not a whole, valid GGUF file
 */
export async function openGguf(source: ByteSource): Promise<GgufFile> {
  const { name: file, size: fileByteLength } = source;
  const parser = new GgufHeaderParser({ file, fileByteLength });
  const window = new Uint8Array(Math.min(HEADER_WINDOW_BYTES, fileByteLength));
  for (let position = 0; !parser.done && position < fileByteLength; ) {
    const bytes = window.subarray(0, fileByteLength - position);
    await source.read(bytes, position);
    parser.push(bytes);
    position += bytes.byteLength;
  }
  return { header: parser.finish(), source };
}
