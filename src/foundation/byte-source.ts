/** The contracts between whoever holds bytes (file, blob, buffer, URL) and whoever reads them. */

import { FormatError } from "./errors.ts";

/** Bytes of an open file, which every thread of the process can read. */
export interface FilePlace {
  readonly descriptor: number;
  /** Device and inode: where threads have descriptors of their own, a number may mean another file. */
  readonly identity: string;
  /** How messages call it. */
  readonly path: string;
  readonly position: number;
}

/** Bytes of known size that can be read in any order. */
export interface ByteSource {
  /** How messages call it: a path or a label. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /**
   * Fills `target` with the bytes that start at `position`.
   *
   * @throws FormatError when the source ends before `target` is full
   */
  read(target: Uint8Array, position: number): Promise<void>;
  /** Is another one when the bytes are, as far as the place can say: a file's time, an ETag. */
  readonly revision?: string | undefined;
  /** @throws StorageError when the bytes have changed since they were opened */
  checkUnchanged?(): Promise<void>;
  /** Where other threads find the bytes themselves, if they can. */
  place?(position: number): FilePlace;
}

/** A place to write bytes in any order. */
export interface ByteSink {
  readonly name: string;
  write(bytes: Uint8Array, position: number): Promise<void>;
  /**
   * Reads back what was written, to move it when a header or a text grew. A sink without it is
   * written a second time instead, in the rare case that this happens.
   */
  read?(target: Uint8Array, position: number): Promise<void>;
  /** Sets the size. */
  truncate(size: number): Promise<void>;
}

/** Bytes in memory as a `ByteSource`. */
export function bytesSource(bytes: Uint8Array, name = "bytes"): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    async read(target, position) {
      if (position + target.byteLength > bytes.byteLength) {
        throw new FormatError("the bytes end here", { file: name, offset: bytes.byteLength });
      }
      target.set(bytes.subarray(position, position + target.byteLength));
    },
  };
}
