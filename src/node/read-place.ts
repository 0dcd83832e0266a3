/** Reads a place of an open file at once, as threads do. */

import { fstatSync, openSync, readSync } from "node:fs";
import type { FilePlace } from "../foundation/byte-source.ts";
import { FormatError, printable, StorageError } from "../foundation/errors.ts";
import { storageError } from "./storage-error.ts";

/** This thread's descriptors of the files that it was sent to. */
const descriptors = new Map<string, number>();

/** @throws FormatError when the file ends before `target` is full; StorageError */
export function readPlace(place: FilePlace, target: Uint8Array): void {
  readAt(descriptorOf(place), place.path, target, place.position);
}

/** The one that was sent, or where threads have descriptors of their own, as in Deno, another one. */
function descriptorOf({ descriptor, identity, path }: FilePlace): number {
  const key = `${descriptor} ${identity} ${path}`;
  let own = descriptors.get(key);
  if (own !== undefined) return own;
  own = descriptor;
  if (identityOf(own) !== identity) {
    try {
      own = openSync(path, "r");
    } catch (cause) {
      throw storageError("cannot open", path, cause);
    }
    if (identityOf(own) !== identity) {
      const problem = "another file has that name now; leave it alone until the job is done";
      throw new StorageError(`cannot read ${printable(path)}: ${problem}`);
    }
  }
  descriptors.set(key, own);
  return own;
}

/** Device and inode of an open file; empty for what is none. */
export function identityOf(descriptor: number): string {
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return "";
  }
}

/** @throws FormatError when the file ends before `target` is full; StorageError */
export function readAt(
  descriptor: number,
  path: string,
  target: Uint8Array,
  position: number,
): void {
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
