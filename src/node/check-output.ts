/** An output must not exist yet, and must not touch its own input. */

import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { ArgumentError } from "../foundation/errors.ts";
import { isGgufPath, isWebModel } from "../web/model-place.ts";
import { refuseExisting } from "./output.ts";

/** Refuses an output that exists, or that would swallow its own input. */
export async function checkOutput(
  input: string,
  output: string,
  kind: "file" | "directory",
  overwrite: boolean,
): Promise<void> {
  checkInput(input);
  await refuseExisting(output, overwrite, kind);
  if (input === "-" || isWebModel(input)) return;
  const source = await realPathOf(resolve(input));
  const target = await realPathOf(resolve(output));
  if (source === target || source.startsWith(target + sep) || target.startsWith(source + sep)) {
    const allowed = "a place of its own: neither the input, nor inside it, nor around it";
    throw new ArgumentError("output", allowed, output);
  }
}

/** @throws ArgumentError */
export function checkInput(input: string): void {
  if (typeof input === "string") return;
  throw new ArgumentError("model", "a path, an address or hf:org/name, as a string", input);
}

/** A file of that name must not hold safetensors. @throws ArgumentError */
export function refuseGgufOutput(output: string, instead: string): void {
  if (!isGgufPath(output)) return;
  throw new ArgumentError(
    "output",
    `a .safetensors file or a directory (${instead} writes GGUF)`,
    output,
  );
}

/** Refuses a file that is there already. @throws StorageError */
export function checkFileOutput(path: string, overwrite: boolean): Promise<void> {
  return refuseExisting(path, overwrite, "file");
}

/** The path with its links followed; what does not exist yet is below its nearest ancestor. */
async function realPathOf(path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  if (real !== undefined || dirname(path) === path) return real ?? path;
  return join(await realPathOf(dirname(path)), basename(path));
}
