/** Parsers of option values, for commander. */

import { InvalidArgumentError } from "commander";
import { QuantwiseError } from "../foundation/errors.ts";

/** A repeatable option's values so far, and one more. */
export function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

export function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`expected a whole number, received "${text}".`);
}

/** A whole number that may be negative. */
export function integer(text: string): number {
  if (/^-?\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`expected a whole number, received "${text}".`);
}

/** Makes commander name the option in front of our message. */
export function checked<Value>(parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    if (error instanceof QuantwiseError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** An option as it is typed, from commander's name of it. */
export function optionName(flag: string): string {
  return flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
