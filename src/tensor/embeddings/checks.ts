/** Checks that several files need. */

import { ArgumentError } from "../../foundation/errors.ts";

/** @throws ArgumentError unless it is a whole number ≥ 1 */
export function checkDimensions(dimensions: number, argument = "dimensions"): void {
  if (Number.isSafeInteger(dimensions) && dimensions >= 1) return;
  throw new ArgumentError(argument, "a whole number ≥ 1", dimensions);
}

/** "Int8Array", "Uint8Array" …: by tag, because arrays of other realms are welcome. */
export function arrayName(array: unknown): string {
  return Object.prototype.toString.call(array).slice(8, -1);
}
