/** A file as a seekable sink. */

import { writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { FileSink } from "../checkpoint/convert-options.ts";
import { storageError } from "./storage-error.ts";

/** Pieces up to this size are written at once: a thread's hand-over takes longer than the copy. */
const SMALL_BYTES = 1 << 16;

/** Bytes after which what is written is sent to the disk, while more is computed. */
const FLUSH_BYTES = 64 << 20;

/** Milliseconds after which it is sent at the latest, where somebody waits to be told. */
const FLUSH_MS = 2000;

export interface DiscardableSink extends FileSink {
  /** Lets go of the file without waiting for its bytes to reach the disk. */
  discard(): Promise<void>;
  /** Waits until all bytes that were written have reached the disk, and tells `onFlush`. */
  flush(): Promise<void>;
}

export interface FileSinkOptions {
  /** How to open it. @defaultValue "wx+", a new file */
  readonly flags?: "wx+" | "w+" | "r+";
  /** @defaultValue 64 MiB */
  readonly flushBytes?: number | undefined;
  /** Called when bytes begin to be made durable; what it returns, when they are. */
  readonly onFlush?: (() => () => Promise<void>) | undefined;
}

/** Creates `path`, which must not exist. @throws StorageError */
export function createFileSink(path: string): Promise<DiscardableSink> {
  return openFileSink(path, {});
}

/** @throws StorageError */
export async function openFileSink(
  path: string,
  { flags = "wx+", flushBytes = FLUSH_BYTES, onFlush }: FileSinkOptions,
): Promise<DiscardableSink> {
  let handle: FileHandle;
  try {
    handle = await open(path, flags);
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
  let unflushed = 0;
  let lastFlush = performance.now();
  let flushing: Promise<unknown> | undefined;
  /** What it failed with: the system tells it once. */
  let flushError: { readonly cause: unknown } | undefined;
  const isDue = () =>
    unflushed >= flushBytes || (onFlush !== undefined && performance.now() - lastFlush >= FLUSH_MS);
  const flush = (byteCount: number) => {
    unflushed += byteCount;
    if (flushing !== undefined || !isDue()) return;
    unflushed = 0;
    lastFlush = performance.now();
    const record = onFlush?.();
    flushing = handle
      .datasync()
      .then(record)
      .catch((cause: unknown) => {
        flushError = { cause };
      })
      .then(() => {
        flushing = undefined;
      });
  };
  const flushed = async () => {
    await flushing;
    if (flushError !== undefined) throw flushError.cause;
  };
  return {
    name: path,
    write: (bytes, position) =>
      guarded("cannot write", async () => {
        flush(bytes.byteLength);
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
    async discard() {
      await flushing;
      await handle.close();
    },
    flush: () =>
      guarded("cannot write", async () => {
        await flushed();
        const record = onFlush?.();
        await handle.datasync();
        await record?.();
      }),
    close: () =>
      guarded("cannot write", async () => {
        try {
          await flushed();
          await handle.sync();
        } finally {
          await handle.close();
        }
      }),
  };
}
