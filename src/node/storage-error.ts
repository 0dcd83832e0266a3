/** The operating system's errors, told so that one knows what to do. */

import { printable, StorageError } from "../foundation/errors.ts";

const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; free some space or write elsewhere",
  EDQUOT: "the disk quota is used up; free some space or write elsewhere",
  EEXIST: "something of that name appeared in the meantime",
  ENOTEMPTY: "something of that name appeared in the meantime",
  ENOENT: "it does not exist",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only; write elsewhere",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of the path is not a directory",
  EMFILE: "too many files are open",
  EIO: "the device reports an input/output error",
  EPIPE: "the reader of the output has gone away",
};

/** @param what "cannot write", "cannot read" … */
export function storageError(what: string, path: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  const reason = REMEDIES[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new StorageError(`${what} ${printable(path)}: ${reason}`, { cause });
}
