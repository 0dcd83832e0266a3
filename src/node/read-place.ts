/** Reads a place of an open file at once, as threads do. */

import { readSync } from "node:fs";
import type { FilePlace } from "../foundation/byte-source.ts";
import { FormatError } from "../foundation/errors.ts";
import { storageError } from "./storage-error.ts";

/** @throws FormatError when the file ends before `target` is full; StorageError */
export function readPlace({ descriptor, path, position }: FilePlace, target: Uint8Array): void {
  for (let filled = 0; filled < target.byteLength; ) {
    let bytesRead: number;
    try {
      bytesRead = readSync(
        descriptor,
        target,
        filled,
        target.byteLength - filled,
        position + filled,
      );
    } catch (cause) {
      throw storageError("cannot read", path, cause);
    }
    if (bytesRead === 0) throw fileEnds(path, position + filled);
    filled += bytesRead;
  }
}

export function fileEnds(file: string, offset: number): FormatError {
  return new FormatError("the file ends here, earlier than when it was opened", { file, offset });
}
