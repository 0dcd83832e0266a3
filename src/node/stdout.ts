/** Standard output as the end of a pipeline. */

import { storageError } from "./storage-error.ts";

/** Resolves when the bytes are handed over; the reader's pace is ours. */
export function writeStdout(bytes: Uint8Array): Promise<void> {
  return new Promise((done, failed) => {
    const fail = (cause: unknown) => {
      process.stdout.off("error", fail);
      failed(storageError("cannot write", "standard output", cause));
    };
    process.stdout.once("error", fail);
    process.stdout.write(bytes, (error) => {
      if (error) return fail(error);
      process.stdout.off("error", fail);
      done();
    });
  });
}
