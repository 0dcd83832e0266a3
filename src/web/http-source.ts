/** A file at an address as a `ByteSource`: ranges where the server has them, else front to back. */

import type { ByteSource } from "../foundation/byte-source.ts";
import { FormatError } from "../foundation/errors.ts";
import { Cursor, SMALL_BYTES } from "./cursor.ts";
import type { HttpOptions } from "./http-options.ts";
import { HttpResource } from "./http-resource.ts";
import { RemoteFile } from "./remote-file.ts";

export interface HttpSource extends ByteSource {
  /** False: the server ignores ranges, and the bytes can only be read from front to back. */
  readonly hasRanges: boolean;
  /** Ends what is under way, and lets go of connections. */
  close(): Promise<void>;
}

/** Codes, scales and offsets of a tensor lie apart and are read side by side. */
const MOST_CURSORS = 4;

/**
 * Opens a file at an address; one short request, no HEAD.
 *
 * Reads in sequence share one answer, which is asked for in growing pieces, at last to the end of
 * the file. A lost connection is taken up where it broke, if the file is still the same.
 *
 * @throws ArgumentError, StorageError, or the signal's reason
 */
export async function httpSource(
  url: string | URL,
  options: HttpOptions = {},
): Promise<HttpSource> {
  const resource = new HttpResource(url, options);
  try {
    for (;;) {
      try {
        const [file, first] = await RemoteFile.open(resource, SMALL_BYTES);
        return new CursorSource(file, await Cursor.of(file, first));
      } catch (error) {
        await resource.attempts.failed(error);
      }
    }
  } catch (error) {
    resource.close();
    throw error;
  }
}

class CursorSource implements HttpSource {
  readonly name: string;
  readonly size: number;
  readonly hasRanges: boolean;
  readonly revision: string | undefined;
  readonly #file: RemoteFile;
  /** The last used one first. */
  #cursors: Cursor[];
  /** Reads take turns. */
  #turn: Promise<void> = Promise.resolve();

  constructor(file: RemoteFile, first: Cursor) {
    this.name = file.name;
    this.size = file.size;
    this.hasRanges = file.hasRanges;
    this.revision = file.revision;
    this.#file = file;
    this.#cursors = [first];
  }

  read(target: Uint8Array, position: number): Promise<void> {
    const turn = this.#turn.then(() => this.#fill(target, position));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async close(): Promise<void> {
    this.#cursors = [];
    this.#file.resource.close();
  }

  async #fill(target: Uint8Array, position: number): Promise<void> {
    if (position + target.byteLength > this.size) {
      throw new FormatError("the file ends here", { file: this.name, offset: this.size });
    }
    const { signal, attempts } = this.#file.resource;
    signal.throwIfAborted();
    const cursor = this.#cursorFor(position);
    for (let filled = 0; filled < target.byteLength; ) {
      try {
        const bytes = await cursor.some(position + filled, target.byteLength - filled);
        target.set(bytes, filled);
        filled += bytes.byteLength;
        attempts.succeeded(bytes.byteLength);
      } catch (error) {
        cursor.drop();
        await attempts.failed(error);
      }
    }
  }

  /** Without ranges there is one place only. */
  #cursorFor(position: number): Cursor {
    const found = this.hasRanges
      ? this.#cursors.find((cursor) => cursor.reaches(position))
      : this.#cursors[0];
    const cursor = found ?? new Cursor(this.#file, position);
    this.#cursors = [cursor, ...this.#cursors.filter((other) => other !== cursor)];
    for (const old of this.#cursors.splice(MOST_CURSORS)) old.release();
    return cursor;
  }
}
