/** Text from files on one line of a terminal or a page, whatever its length. */

import { printable } from "../foundation/errors.ts";

/** `printable` cuts what is long: it gets pieces, and nothing is lost. */
export function onOneLine(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : text.replace(/[\s\S]{1,200}/g, printable);
}
