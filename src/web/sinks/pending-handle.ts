/** A file behind a handle, in the making. */

import type { FileSink } from "../../checkpoint/convert-options.ts";
import { printable, UnsupportedError } from "../../foundation/errors.ts";
import { guarded } from "./handle-error.ts";
import type { AccessedFile, FileHandleLike, WritableFile } from "./handles.ts";

export interface PendingHandle {
  readonly sink: FileSink;
  /** Makes what was written the file's contents. */
  commit(): Promise<void>;
  /** Forgets what was written. */
  abort(): Promise<void>;
}

/** Whether the browser writes beside the file until it is whole. */
export function isWrittenBeside(handle: FileHandleLike): boolean {
  return handle.createWritable !== undefined;
}

/**
 * @param name how messages call it
 * @throws StorageError, UnsupportedError
 */
export async function pendingHandle(
  handle: FileHandleLike,
  name: string = handle.name,
): Promise<PendingHandle> {
  if (handle.createWritable !== undefined) {
    const open = () => handle.createWritable?.() as Promise<WritableFile>;
    return writable(await guarded("cannot write", name, open), name);
  }
  if (handle.createSyncAccessHandle !== undefined) {
    const open = () => handle.createSyncAccessHandle?.() as Promise<AccessedFile>;
    return accessed(await guarded("cannot write", name, open), name);
  }
  throw new UnsupportedError(
    `cannot write ${printable(name)}: this browser writes files only in Workers; quantize in one`,
  );
}

/** Its bytes cannot be read back before the file is whole. */
function writable(file: WritableFile, name: string): PendingHandle {
  return {
    sink: {
      name,
      write: (bytes, position) =>
        guarded("cannot write", name, () =>
          file.write({ type: "write", position, data: wholeBuffer(bytes) }),
        ),
      truncate: (size) => guarded("cannot write", name, () => file.truncate(size)),
      close: async () => {},
    },
    commit: () => guarded("cannot finish", name, () => file.close()),
    abort: () => file.abort().catch(() => {}),
  };
}

/** WebKit writes all of the buffer that a view is a part of. */
function wholeBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const isWhole = bytes.byteLength === bytes.buffer.byteLength;
  return isWhole ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}

/** It is the file itself that is written. */
function accessed(file: AccessedFile, name: string): PendingHandle {
  return {
    sink: {
      name,
      write: (bytes, position) =>
        guarded("cannot write", name, () => {
          for (let done = 0; done < bytes.byteLength; ) {
            const piece = bytes.subarray(done) as Uint8Array<ArrayBuffer>;
            const count = file.write(piece, { at: position + done });
            if (count === 0) throw new DOMException("no byte was taken", "QuotaExceededError");
            done += count;
          }
        }),
      read: (target, position) =>
        guarded("cannot read back", name, () => {
          const count = file.read(target as Uint8Array<ArrayBuffer>, { at: position });
          if (count !== target.byteLength) throw new Error("the file ends early");
        }),
      truncate: (size) => guarded("cannot write", name, () => file.truncate(size)),
      close: () => guarded("cannot write", name, () => file.flush()),
    },
    commit: () => guarded("cannot finish", name, () => file.close()),
    abort: async () => {
      try {
        file.truncate(0);
      } catch {
        // It is closed, or its folder is gone.
      }
      file.close();
    },
  };
}
