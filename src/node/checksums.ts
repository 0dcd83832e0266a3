/** SHA256SUMS of a directory, as sha256sum writes and checks it. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { CHECKSUMS_NAME } from "../checkpoint/model-files.ts";
import { FormatError } from "../foundation/errors.ts";
import { storageError } from "./storage-error.ts";

export interface Checksum {
  /** Below the directory. */
  readonly path: string;
  readonly sha256: string;
}

/** Writes the sums of every file below `directory`. @throws StorageError */
export async function writeChecksums(directory: string, signal?: AbortSignal): Promise<void> {
  const lines: string[] = [];
  for (const path of await filesBelow(directory)) {
    if (path === CHECKSUMS_NAME) continue;
    lines.push(lineOf({ path, sha256: await sha256Of(join(directory, path), signal) }));
  }
  const path = join(directory, CHECKSUMS_NAME);
  try {
    const file = await open(path, "w");
    try {
      await file.writeFile(lines.join(""));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw storageError("cannot write", path, cause);
  }
}

/** @returns undefined when there is none. @throws StorageError, FormatError */
export async function readChecksums(directory: string): Promise<Checksum[] | undefined> {
  const path = join(directory, CHECKSUMS_NAME);
  const text = await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return undefined;
    throw storageError("cannot read", path, cause);
  });
  return text
    ?.split("\n")
    .filter((line) => line !== "")
    .map((line, at) => parsed(line, at, path));
}

/** @throws StorageError, or the signal's reason */
export async function sha256Of(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      signal?.throwIfAborted();
      hash.update(chunk as Buffer);
    }
  } catch (cause) {
    signal?.throwIfAborted();
    throw storageError("cannot read", path, cause);
  }
  return hash.digest("hex");
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .map((path) => path.split(sep).join("/"))
    .sort();
}

/** A name with a backslash or a line's end is escaped, and a backslash in front says so. */
function lineOf({ path, sha256 }: Checksum): string {
  const escaped = path.replace(/[\\\n\r]/g, (each) => ESCAPES[each] as string);
  return `${escaped === path ? "" : "\\"}${sha256}  ${escaped}\n`;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r" };
const UNESCAPES: Readonly<Record<string, string>> = { "\\\\": "\\", "\\n": "\n", "\\r": "\r" };

function parsed(line: string, at: number, file: string): Checksum {
  const match = /^(\\?)([0-9a-f]{64}) [ *](.+)$/.exec(line);
  if (match === null) {
    throw new FormatError(`line ${at + 1} is no SHA-256, two spaces and a name`, { file });
  }
  const [, escaped, sha256, name] = match as unknown as [string, string, string, string];
  const path = escaped === "" ? name : name.replace(/\\[\\nr]/g, (each) => UNESCAPES[each] ?? each);
  if (path.startsWith("/") || path.split("/").includes("..")) {
    throw new FormatError(`line ${at + 1} names a file outside the directory`, { file });
  }
  return { path, sha256 };
}
