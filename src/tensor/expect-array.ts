/** Typed arrays that callers hand over. */

import { ArgumentError } from "../foundation/errors.ts";

/**
 * By tag, not instanceof: arrays from another realm are welcome.
 *
 * @throws ArgumentError for another kind, or another length
 */
export function expectArray(
  argument: string,
  array: ArrayLike<number>,
  kinds: readonly string[],
  length: number,
): void {
  const tag = arrayTag(array);
  if (!kinds.includes(tag)) throw new ArgumentError(argument, `a ${kinds.join(" or ")}`, array);
  if (array.length !== length) {
    throw new ArgumentError(argument, `${length} elements`, array.length);
  }
}

/** "Float32Array" …, or what else it is. Our own realm's are told at once. */
export function arrayTag(array: unknown): string {
  if (array instanceof Float32Array) return "Float32Array";
  if (array instanceof Uint8Array) return "Uint8Array";
  return Object.prototype.toString.call(array).slice(8, -1);
}
