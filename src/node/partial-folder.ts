/** The folder in which an output grows: a new one, or that of an earlier run. */

import { mkdir, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { printable, StorageError } from "../foundation/errors.ts";
import { JournalFile, readJournal } from "./journal-file.ts";
import { findPartials, freeName, partialName } from "./partial-name.ts";
import { differenceOf, type RunIdentity } from "./run-identity.ts";
import { storageError } from "./storage-error.ts";

const JOURNAL_NAME = "quantwise.journal";

/** A run that can be taken up again. */
export interface ResumableRun {
  readonly identity: RunIdentity;
  /** Take up what an earlier run has left, and leave what this one has done. */
  readonly resume: boolean;
  /** Bytes of a file after which what is written is made durable and recorded. */
  readonly syncBytes?: number | undefined;
  /** Called with the folder when a run fails that can be taken up again. */
  readonly onKept?: ((path: string) => void) | undefined;
  /** Called with a folder that could be resumed, and is not. */
  readonly onLeftover?: ((path: string) => void) | undefined;
}

export interface PartialFolder {
  readonly path: string;
  /** The output itself, file or directory, under its name. */
  readonly content: string;
  readonly journal: JournalFile | undefined;
  /** An earlier run has begun it. */
  readonly isResumed: boolean;
}

/** @throws StorageError */
export async function openPartial(
  target: string,
  run: ResumableRun | undefined,
): Promise<PartialFolder> {
  if (run?.resume === true) {
    const found = await earlierOf(target, run.identity);
    if (found !== undefined) return takeOver(found, target);
  } else if (run !== undefined) await tellLeftovers(target, run);
  const path = partialName(target);
  try {
    await mkdir(path);
  } catch (cause) {
    throw storageError("cannot create", path, cause);
  }
  try {
    const journal = run && (await JournalFile.create(join(path, JOURNAL_NAME), run.identity));
    return { path, content: join(path, basename(target)), journal, isResumed: false };
  } catch (error) {
    await rm(path, { recursive: true, force: true });
    throw error;
  }
}

/** Leaves the folder to whoever resumes. @returns where it is */
export async function releasePartial({ path }: PartialFolder, target: string): Promise<string> {
  const free = freeName(target);
  return rename(path, free).then(
    () => free,
    () => path,
  );
}

async function earlierOf(target: string, identity: RunIdentity): Promise<string | undefined> {
  const fitting: string[] = [];
  let difference: string | undefined;
  for (const { path, isInUse, isOrphan } of await findPartials(target)) {
    if (isInUse) {
      throw new StorageError(
        `${printable(path)} is being written by another run; wait for it, or end it`,
      );
    }
    const journal = await readJournal(join(path, JOURNAL_NAME));
    if (journal === undefined) {
      // It ended a moment after it began: nothing in it can be used.
      if (isOrphan) await rm(path, { recursive: true, force: true });
      continue;
    }
    const problem = differenceOf(journal.identity, identity);
    if (problem === undefined) fitting.push(path);
    else {
      difference ??=
        `cannot resume ${printable(path)}: ${problem}. Resume with what it was begun with, or ` +
        "remove it";
    }
  }
  if (fitting.length > 1) {
    throw new StorageError(
      `cannot resume: ${fitting.map(printable).join(" and ")} both fit; remove all but one`,
    );
  }
  if (fitting.length === 0 && difference !== undefined) throw new StorageError(difference);
  return fitting[0];
}

/** Tells of work that a run of the same kind has left. */
async function tellLeftovers(target: string, { identity, onLeftover }: ResumableRun) {
  if (onLeftover === undefined) return;
  for (const { path, isInUse } of await findPartials(target)) {
    if (isInUse) continue;
    const journal = await readJournal(join(path, JOURNAL_NAME));
    if (journal && differenceOf(journal.identity, identity) === undefined) onLeftover(path);
  }
}

async function takeOver(found: string, target: string): Promise<PartialFolder> {
  const path = partialName(target);
  try {
    await rename(found, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") {
      throw storageError("cannot take over", found, cause);
    }
    throw new StorageError(`${printable(found)} was taken over by another run`, { cause });
  }
  const content = join(path, basename(target));
  const isFile = (await stat(content).catch(() => undefined))?.isFile() === true;
  const sizeOf = async (file: string) => {
    const place = isFile ? content : join(content, file);
    return (await stat(place).catch(() => undefined))?.size;
  };
  const journalPath = join(path, JOURNAL_NAME);
  const read = await readJournal(journalPath);
  if (read === undefined) throw new StorageError(`cannot read ${printable(journalPath)}`);
  const journal = await JournalFile.resume(journalPath, read, sizeOf);
  return { path, content, journal, isResumed: true };
}
