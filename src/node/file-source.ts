/** A file as a `ByteSource`. */

import type { BigIntStats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { ByteSource } from "../foundation/byte-source.ts";
import { printable, StorageError } from "../foundation/errors.ts";
import { fileEnds, identityOf, readAt } from "./read-place.ts";
import { storageError } from "./storage-error.ts";

export interface FileSource extends ByteSource {
  close(): Promise<void>;
}

/** Pieces up to this size are read at once: a thread's hand-over takes longer than the copy. */
const SMALL_BYTES = 1 << 16;

/** @throws StorageError when the file cannot be opened */
export async function openFileSource(path: string): Promise<FileSource> {
  let handle: FileHandle;
  let before: BigIntStats;
  let identity: string;
  try {
    handle = await open(path, "r");
  } catch (cause) {
    throw storageError("cannot open", path, cause);
  }
  try {
    before = await handle.stat({ bigint: true });
    if (!before.isFile()) throw new Error("it is not a regular file");
    identity = identityOf(handle.fd);
  } catch (cause) {
    await handle.close();
    throw storageError("cannot open", path, cause);
  }
  return {
    name: path,
    size: Number(before.size),
    revision: String(before.mtimeNs),
    async checkUnchanged() {
      const { size, mtimeNs } = await handle.stat({ bigint: true });
      if (size === before.size && mtimeNs === before.mtimeNs) return;
      throw new StorageError(
        `${printable(path)} was written to while it was read; start again when it is at rest`,
      );
    },
    read: (target, position) => fill(handle, path, target, position),
    place: (position) => ({ descriptor: handle.fd, identity, path, position }),
    close: () => handle.close(),
  };
}

async function fill(
  handle: FileHandle,
  path: string,
  target: Uint8Array,
  position: number,
): Promise<void> {
  if (target.byteLength <= SMALL_BYTES) {
    readAt(handle.fd, path, target, position);
    return;
  }
  for (let filled = 0; filled < target.byteLength; ) {
    let bytesRead: number;
    try {
      const left = target.byteLength - filled;
      ({ bytesRead } = await handle.read(target, filled, left, position + filled));
    } catch (cause) {
      throw storageError("cannot read", path, cause);
    }
    if (bytesRead === 0) throw fileEnds(path, position + filled);
    filled += bytesRead;
  }
}
