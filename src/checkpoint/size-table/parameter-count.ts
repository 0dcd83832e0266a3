/** "7B" as a number of weights. */

import { ArgumentError } from "../../foundation/errors.ts";

/** More than any model has; sizes in bytes stay exact far above it. */
export const PARAMETERS_MAX = 1e15;

/** How messages describe what is allowed. */
export const PARAMETER_COUNT_FORM =
  'a parameter count such as "7B", "1.5B", "350M", "7e9" or "6_738_415_616" (whole, 1 to 10^15)';

const FORM = /^(\d+(?:_\d+)*)(?:\.(\d+))?(?:e\+?(\d{1,2})|([kmbt]))?$/i;

/**
 * Weights of a model as people write them: k, M, B and T are 10^3, 10^6, 10^9 and 10^12.
 *
 * @throws ArgumentError for everything else, fractions of a weight included
 */
export function parseParameterCount(text: string, argument = "parameters"): number {
  const count = parameterCountOf(text);
  if (count === undefined) throw new ArgumentError(argument, PARAMETER_COUNT_FORM, text);
  return count;
}

/** The same; undefined for what is no such count. */
export function parameterCountOf(text: string): number | undefined {
  const match = FORM.exec(text.trim());
  if (match === null) return undefined;
  const [, whole = "", fraction = "", exponent, unit] = match;
  const power = unit === undefined ? Number(exponent ?? 0) : 3 * (1 + "kmbt".indexOf(lower(unit)));
  // In whole numbers: 1.1e9 as a float product might miss by one.
  const significant = fraction.replace(/0+$/, "");
  if (significant.length > power) return undefined;
  const digits = whole.replaceAll("_", "") + significant + "0".repeat(power - significant.length);
  const count = Number(digits);
  return count >= 1 && count <= PARAMETERS_MAX ? count : undefined;
}

function lower(text: string): string {
  return text.toLowerCase();
}
