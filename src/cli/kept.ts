/** A job that failed and can be resumed. */

import { printable } from "../foundation/errors.ts";

export class KeptError extends Error {
  /** What the job failed with. */
  override readonly cause: unknown;
  /** What the user is told besides. */
  readonly hint: string;

  constructor(cause: unknown, path: string) {
    super("the job failed", { cause });
    this.cause = cause;
    this.hint = `what is done is kept in ${printable(path)}; the same command goes on from there`;
  }
}
