/** A file as a `ByteSource`. */

import { readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { ByteSource } from "../foundation/byte-source.ts";
import { FormatError } from "../foundation/errors.ts";
import { storageError } from "./storage-error.ts";

export interface FileSource extends ByteSource {
  close(): Promise<void>;
}

/** Pieces up to this size are read at once: a thread's hand-over takes longer than the copy. */
const SMALL_BYTES = 1 << 16;

/** @throws StorageError when the file cannot be opened */
export async function openFileSource(path: string): Promise<FileSource> {
  let handle: FileHandle;
  let size: number;
  try {
    handle = await open(path, "r");
  } catch (cause) {
    throw storageError("cannot open", path, cause);
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new Error("it is not a regular file");
    size = stats.size;
  } catch (cause) {
    await handle.close();
    throw storageError("cannot open", path, cause);
  }
  return {
    name: path,
    size,
    read: (target, position) => fill(handle, path, target, position),
    close: () => handle.close(),
  };
}

async function fill(
  handle: FileHandle,
  path: string,
  target: Uint8Array,
  position: number,
): Promise<void> {
  for (let filled = 0; filled < target.byteLength; ) {
    let bytesRead: number;
    try {
      const wanted = target.byteLength - filled;
      const at = position + filled;
      bytesRead =
        wanted <= SMALL_BYTES
          ? readSync(handle.fd, target, filled, wanted, at)
          : (await handle.read(target, filled, wanted, at)).bytesRead;
    } catch (cause) {
      throw storageError("cannot read", path, cause);
    }
    if (bytesRead === 0) {
      throw new FormatError("the file ends here, earlier than when it was opened", {
        file: path,
        offset: position + filled,
      });
    }
    filled += bytesRead;
  }
}
