/**
 * Globs over tensor names: `.` separates segments, `*` stays inside one, `**` crosses them; `?`,
 * `[0-9]` and `{a,b}` as usual. picomatch does the work, on names whose dots became slashes.
 */

import picomatch from "picomatch/posix.js";
import { ArgumentError } from "../foundation/errors.ts";

/** Stands for a slash inside a name, which is an ordinary character there. */
const SLASH = "\uE000";

/** @throws ArgumentError for an empty pattern */
export function globMatcher(pattern: string, argument = "pattern"): (name: string) => boolean {
  if (pattern === "") throw new ArgumentError(argument, "a glob over tensor names", pattern);
  const isMatch = picomatch(crossing(toPath(pattern)), { dot: true, nonegate: true });
  return (name) => isMatch(toPath(name));
}

function toPath(text: string): string {
  return text.replace(/[./]/g, (character) => (character === "." ? "/" : SLASH));
}

/** picomatch lets `**` cross only as a whole segment; here it also does beside other text. */
function crossing(path: string): string {
  return path
    .replace(/(?<=[^*/])\*\*(?!\*)/g, "*{,/**/*}")
    .replace(/(?<!\*)\*\*(?![*/}]|$)/g, "**/*");
}
