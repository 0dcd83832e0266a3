/** A file as a seekable sink. */

import { writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { FileSink } from "../checkpoint/convert.ts";
import { storageError } from "./storage-error.ts";

/** Pieces up to this size are written at once: a thread's hand-over takes longer than the copy. */
const SMALL_BYTES = 1 << 16;

export interface DiscardableSink extends FileSink {
  /** Lets go of the file without waiting for its bytes to reach the disk. */
  discard(): Promise<void>;
}

/** Creates `path`, which must not exist. @throws StorageError */
export async function createFileSink(path: string): Promise<DiscardableSink> {
  let handle: FileHandle;
  try {
    handle = await open(path, "wx+");
  } catch (cause) {
    throw storageError("cannot create", path, cause);
  }
  const guarded = async (what: string, run: () => Promise<void>) => {
    try {
      await run();
    } catch (cause) {
      throw storageError(what, path, cause);
    }
  };
  return {
    name: path,
    write: (bytes, position) =>
      guarded("cannot write", async () => {
        if (bytes.byteLength <= SMALL_BYTES) {
          for (let done = 0; done < bytes.byteLength; ) {
            const left = bytes.byteLength - done;
            done += writeSync(handle.fd, bytes, done, left, position + done);
          }
          return;
        }
        for (let done = 0; done < bytes.byteLength; ) {
          const left = bytes.byteLength - done;
          done += (await handle.write(bytes, done, left, position + done)).bytesWritten;
        }
      }),
    read: (target, position) =>
      guarded("cannot read back", async () => {
        for (let filled = 0; filled < target.byteLength; ) {
          const left = target.byteLength - filled;
          const { bytesRead } = await handle.read(target, filled, left, position + filled);
          if (bytesRead === 0) throw new Error("the file ends early");
          filled += bytesRead;
        }
      }),
    truncate: (size) => guarded("cannot write", () => handle.truncate(size)),
    discard: () => handle.close(),
    close: () =>
      guarded("cannot write", async () => {
        try {
          await handle.sync();
        } finally {
          await handle.close();
        }
      }),
  };
}
