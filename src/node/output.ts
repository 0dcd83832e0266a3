/**
 * Outputs that appear whole under their name or not at all: written beside it, made durable,
 * renamed. Until `commit`, nothing under the final name has changed.
 */

import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  unlink,
} from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { FileSink } from "../checkpoint/convert.ts";
import type { PendingOutput } from "../checkpoint/pending-output.ts";
import { StorageError } from "../foundation/errors.ts";
import { createFileSink, type DiscardableSink } from "./file-sink.ts";
import { storageError } from "./storage-error.ts";

const CHECKPOINT_FILES = /^config\.json$|\.safetensors$/;

/**
 * @param overwrite replace what is there; otherwise an existing output is refused (an empty
 * directory is not in the way)
 * @throws StorageError
 */
export async function pendingDirectory(path: string, overwrite: boolean): Promise<PendingOutput> {
  const target = resolve(path);
  await refuseExisting(target, overwrite, "directory");
  const temporary = besideName(target);
  const parents = await makeParents(target);
  await guarded("cannot create", temporary, () => mkdir(temporary));
  removeAtExit(temporary);
  const sinks = new Set<DiscardableSink>();
  return {
    create: async (path) => {
      const parent = join(temporary, dirname(path));
      await guarded("cannot create", parent, () => mkdir(parent, { recursive: true }));
      return tracked(sinks, join(temporary, path));
    },
    commit: () =>
      guarded("cannot finish", target, async () => {
        await syncDirectory(temporary);
        await giveName(temporary, target, overwrite);
      }),
    abort: () => discard(sinks, temporary, parents),
  };
}

/** As `pendingDirectory`, for one file. */
export async function pendingFile(path: string, overwrite: boolean): Promise<PendingOutput> {
  const target = resolve(path);
  await refuseExisting(target, overwrite, "file");
  const temporary = besideName(target);
  const parents = await makeParents(target);
  removeAtExit(temporary);
  const sinks = new Set<DiscardableSink>();
  return {
    create: () => tracked(sinks, temporary),
    commit: () => guarded("cannot finish", target, () => giveName(temporary, target, overwrite)),
    abort: () => discard(sinks, temporary, parents),
  };
}

/** Checks without creating anything. @throws StorageError */
export async function refuseExisting(
  path: string,
  overwrite: boolean,
  wanted: "file" | "directory",
): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  if (stats.isDirectory() !== (wanted === "directory")) {
    const there = stats.isDirectory() ? "a directory" : "a file";
    throw new StorageError(`${path} is ${there}, and the output is a ${wanted}; choose another -o`);
  }
  const files = stats.isDirectory() ? await readdir(path) : undefined;
  if (files?.length === 0) return;
  if (overwrite) {
    // Replacing a directory removes all that is in it: only one that looks like a checkpoint.
    if (files === undefined || files.some((name) => CHECKPOINT_FILES.test(name))) return;
    throw new StorageError(
      `${path} holds no checkpoint (no config.json, no .safetensors); --overwrite would remove all ` +
        "that is in it. Remove it yourself, or choose another -o",
    );
  }
  throw new StorageError(
    `${path} already exists; remove it, or pass --overwrite (overwrite: true) to replace it`,
  );
}

/** What an exit in a hurry (a second Ctrl-C, a crash) must still remove. */
const unfinished = new Set<string>();

function removeAtExit(path: string): void {
  if (unfinished.size === 0) process.once("exit", removeUnfinished);
  unfinished.add(path);
}

function finished(path: string): void {
  unfinished.delete(path);
  if (unfinished.size === 0) process.off("exit", removeUnfinished);
}

function removeUnfinished(): void {
  for (const path of unfinished) rmSync(path, { recursive: true, force: true });
}

async function tracked(sinks: Set<DiscardableSink>, path: string): Promise<FileSink> {
  const sink = await createFileSink(path);
  sinks.add(sink);
  return {
    ...sink,
    close: async () => {
      sinks.delete(sink);
      await sink.close();
    },
  };
}

/**
 * One by one, because Node's recursive mkdir never returns where a file system answers ENOENT to
 * every attempt, as /proc does.
 *
 * @returns the directories that did not exist before, the deepest first
 */
async function makeParents(target: string): Promise<string[]> {
  const missing: string[] = [];
  let path = dirname(target);
  for (; !(await isDirectory(path)); path = dirname(path)) missing.push(path);
  for (const parent of missing.toReversed()) {
    await guarded("cannot create", parent, () => mkdir(parent));
  }
  return missing;
}

/** @throws StorageError for something else of that name */
async function isDirectory(path: string): Promise<boolean> {
  const stats = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw storageError("cannot create", path, cause);
  });
  if (stats === undefined || stats.isDirectory()) return stats !== undefined;
  throw new StorageError(`cannot create ${path}: a part of the path is not a directory`);
}

async function discard(
  sinks: Set<DiscardableSink>,
  temporary: string,
  parents: readonly string[],
): Promise<void> {
  for (const sink of sinks) await sink.discard().catch(() => {});
  await rm(temporary, { recursive: true, force: true });
  finished(temporary);
  // Only empty ones go: somebody else may have put something there.
  for (const parent of parents) await rmdir(parent).catch(() => {});
}

/**
 * Moves `temporary` to `target`. Without `overwrite` nothing that appeared there in the meantime
 * is touched; with it, what was there is restored when the move fails.
 */
async function giveName(temporary: string, target: string, overwrite: boolean): Promise<void> {
  const there = await lstat(target).catch(() => undefined);
  if (!overwrite) {
    const isFile = (await lstat(temporary)).isFile();
    // A rename replaces an existing file, a link does not; a full directory stops a rename.
    if (isFile) await linkAs(temporary, target);
    else {
      if (there?.isDirectory() === true) await rmdir(target);
      await rename(temporary, target);
    }
  } else if (there === undefined || !there.isDirectory()) {
    await rename(temporary, target);
  } else {
    const old = besideName(target);
    await rename(target, old);
    try {
      await rename(temporary, target);
    } catch (error) {
      await rename(old, target);
      throw error;
    }
    // The new output is whole under its name: what is left of the old one is no failure.
    await rm(old, { recursive: true, force: true }).catch(() => {});
  }
  finished(temporary);
  await syncDirectory(dirname(target));
}

async function linkAs(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw error;
    // A file system without hard links: the check at the start has to do.
    await rename(temporary, target);
    return;
  }
  await unlink(temporary);
}

/** A hidden name in the same directory, so that a rename suffices. */
function besideName(target: string): string {
  const unique = randomBytes(6).toString("hex");
  return join(dirname(target), `.${basename(target)}.${unique}.partial`);
}

/** Makes a rename durable. Some systems cannot; the data itself is already synced. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

async function guarded(what: string, path: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    throw storageError(what, path, cause);
  }
}
