/** A browser's errors about files, told so that one knows what to do. */

import { printable, QuantwiseError, StorageError } from "../../foundation/errors.ts";

const REMEDIES: Readonly<Record<string, string>> = {
  QuotaExceededError:
    "there is no room: the disk is full, or the browser gives this site no more; free some space " +
    "or write elsewhere",
  NotAllowedError: "permission denied; ask for it with requestPermission, or choose again",
  NoModificationAllowedError: "it is in use, in another tab perhaps",
  InvalidStateError: "it changed in the meantime, or is in use",
  NotFoundError: "it is gone, or its folder is",
  TypeMismatchError: "something else has that name: a folder for a file, or a file for a folder",
};

/** @param what "cannot write", "cannot create" … */
export function handleError(what: string, name: string, cause: unknown): Error {
  if (cause instanceof QuantwiseError) return cause;
  const { name: kind = "", message = String(cause) } = (cause ?? {}) as Partial<Error>;
  const reason = REMEDIES[kind] ?? printable(message);
  return new StorageError(`${what} ${printable(name)}: ${reason}`, { cause });
}

export async function guarded<T>(what: string, name: string, run: () => T): Promise<Awaited<T>> {
  try {
    return await run();
  } catch (cause) {
    throw handleError(what, name, cause);
  }
}
