/**
 * Outputs that appear whole under their name or not at all: written beside it, made durable,
 * renamed. Until `commit`, nothing under the final name has changed.
 */

import { rmSync } from "node:fs";
import { lstat, mkdir, readdir, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { FileSink } from "../checkpoint/convert-options.ts";
import type { PendingOutput } from "../checkpoint/pending-output.ts";
import { StorageError } from "../foundation/errors.ts";
import { type DiscardableSink, openFileSink } from "./file-sink.ts";
import { giveName, syncDirectory } from "./give-name.ts";
import {
  openPartial,
  type PartialFolder,
  type ResumableRun,
  releasePartial,
} from "./partial-folder.ts";
import { storageError } from "./storage-error.ts";

const CHECKPOINT_FILES = /^config\.json$|\.safetensors$/;

export interface PendingOptions {
  /** Replace what is there; otherwise an existing output is refused (an empty directory is not in the way). */
  readonly overwrite: boolean;
  /** For a run that can be taken up again. */
  readonly run?: ResumableRun | undefined;
  /** Called with the directory when all is in it. */
  readonly beforeCommit?: ((path: string) => Promise<void>) | undefined;
}

/** @throws StorageError */
export async function pendingDirectory(
  path: string,
  options: PendingOptions,
): Promise<PendingOutput> {
  const begun = await begin(path, "directory", options);
  const { content, target } = begun;
  await guarded("cannot create", content, () => mkdir(content, { recursive: true }));
  return {
    ...journalOf(begun),
    create: async (name) => {
      const parent = join(content, dirname(name));
      await guarded("cannot create", parent, () => mkdir(parent, { recursive: true }));
      return tracked(begun, name, join(content, name));
    },
    commit: async () => {
      await options.beforeCommit?.(content);
      await guarded("cannot finish", target, async () => {
        await syncDirectory(content);
        await finish(begun, options.overwrite);
      });
    },
    abort: () => end(begun, options.run),
  };
}

/** As `pendingDirectory`, for one file. */
export async function pendingFile(path: string, options: PendingOptions): Promise<PendingOutput> {
  const begun = await begin(path, "file", options);
  const { content, target } = begun;
  return {
    ...journalOf(begun),
    create: (name) => tracked(begun, name, content),
    commit: () => guarded("cannot finish", target, () => finish(begun, options.overwrite)),
    abort: () => end(begun, options.run),
  };
}

/** An output that has begun to grow. */
interface Begun extends PartialFolder {
  readonly target: string;
  /** Directories that did not exist before, the deepest first. */
  readonly parents: readonly string[];
  /** Files that are open. */
  readonly sinks: Set<DiscardableSink>;
  readonly syncBytes: number | undefined;
}

async function begin(
  path: string,
  kind: "file" | "directory",
  { overwrite, run }: PendingOptions,
): Promise<Begun> {
  const target = resolve(path);
  await refuseExisting(target, overwrite, kind);
  const parents = await makeParents(target);
  const partial = await openPartial(target, run);
  if (run?.resume !== true) removeAtExit(partial.path);
  return { ...partial, target, parents, sinks: new Set(), syncBytes: run?.syncBytes };
}

function journalOf({ journal }: Begun): Pick<PendingOutput, "journal"> {
  return journal === undefined ? {} : { journal };
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

async function tracked(begun: Begun, name: string, path: string): Promise<FileSink> {
  const { sinks, journal, isResumed, syncBytes } = begun;
  const isBegun = journal?.earlier(name) !== undefined;
  const sink = await openFileSink(path, {
    flags: isBegun ? "r+" : isResumed ? "w+" : "wx+",
    flushBytes: syncBytes,
    onFlush: journal && (() => journal.takeNoted(name)),
  });
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

/** Gives the output its name, and removes what is left. */
async function finish(begun: Begun, overwrite: boolean): Promise<void> {
  await begun.journal?.close();
  await giveName(begun.content, begun.target, overwrite);
  finished(begun.path);
  // The output is whole under its name: what is left beside it is no failure.
  await rm(begun.path, { recursive: true, force: true }).catch(() => {});
  await syncDirectory(dirname(begun.target));
}

/** After a failure. */
async function end(begun: Begun, run: ResumableRun | undefined): Promise<void> {
  const { sinks, path, parents, journal } = begun;
  const isKept = run?.resume === true;
  for (const sink of sinks) {
    if (isKept) await sink.flush().catch(() => {});
    await sink.discard().catch(() => {});
  }
  await journal?.close().catch(() => {});
  if (isKept) {
    const kept = await releasePartial(begun, begun.target);
    run.onKept?.(kept);
    return;
  }
  await rm(path, { recursive: true, force: true });
  finished(path);
  // Only empty ones go: somebody else may have put something there.
  for (const parent of parents) await rmdir(parent).catch(() => {});
}

async function guarded(what: string, path: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    throw storageError(what, path, cause);
  }
}
