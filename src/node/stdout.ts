/** Standard output as the end of a pipeline. */

import { storageError } from "./storage-error.ts";

let failure: unknown;
let isWatched = false;

/**
 * Resolves when the bytes are handed over; the reader's pace is ours.
 *
 * @throws StorageError when the reader has gone away, or the disk behind a redirection is full
 */
export async function writeStdout(bytes: Uint8Array): Promise<void> {
  if (!isWatched) {
    // The event comes after the callback, and without a listener it would end the process.
    process.stdout.on("error", (error) => {
      failure = error;
    });
    isWatched = true;
  }
  const error = await new Promise<unknown>((done) => {
    process.stdout.write(bytes, (cause) => done(cause ?? failure));
  });
  if (error != null) throw storageError("cannot write", "standard output", error);
}
