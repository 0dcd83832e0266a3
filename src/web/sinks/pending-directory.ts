/** A checkpoint in a directory behind a handle: of the user's disk, or of the origin's own. */

import type { FileSink } from "../../checkpoint/convert-options.ts";
import { CONFIG_NAME, INDEX_NAME } from "../../checkpoint/model-files.ts";
import type { PendingOutput } from "../../checkpoint/pending-output.ts";
import { printable, StorageError } from "../../foundation/errors.ts";
import { guarded } from "./handle-error.ts";
import type { DirectoryHandleLike, FileHandleLike } from "./handles.ts";
import { isWrittenBeside, type PendingHandle, pendingHandle } from "./pending-handle.ts";

interface PendingEntry {
  readonly path: string;
  readonly name: string;
  readonly parent: DirectoryHandleLike;
  /** Under the name for now, which differs from the final one where a browser writes in place. */
  readonly handle: FileHandleLike;
  readonly file: PendingHandle;
  /** There was none of that name; one of before keeps its contents. */
  readonly isNew: boolean;
}

/**
 * Files appear when all of them are whole: weights first, then the index, at last config.json, without
 * which nobody takes a directory for a checkpoint. Until then new files are there, but empty.
 *
 * @param overwrite replace a checkpoint that is there; its weights under other names are removed
 * @throws StorageError when there is one already
 */
export async function pendingDirectory(
  root: DirectoryHandleLike,
  overwrite: boolean,
): Promise<PendingOutput> {
  const before = await guarded("cannot read", root.name, () => namesIn(root));
  const old = before.filter(isCheckpointFile);
  if (old.length > 0 && !overwrite) throw occupied(root.name, old[0] as string);
  const output = new DirectoryOutput(root, overwrite);
  return {
    create: (path) => output.create(path),
    commit: async () => {
      const written = await output.commit();
      for (const name of old) {
        // The new checkpoint is whole: what is left of the old one is no failure.
        if (!written.has(name)) await remove(root, name);
      }
    },
    abort: () => output.abort(),
  };
}

class DirectoryOutput {
  readonly #root: DirectoryHandleLike;
  readonly #overwrite: boolean;
  readonly #entries: PendingEntry[] = [];
  /** Directories that did not exist before. */
  readonly #made: { readonly parent: DirectoryHandleLike; readonly name: string }[] = [];

  constructor(root: DirectoryHandleLike, overwrite: boolean) {
    this.#root = root;
    this.#overwrite = overwrite;
  }

  create(path: string): Promise<FileSink> {
    return guarded("cannot create", path, async () => {
      const folders = path.split("/");
      const name = folders.pop() as string;
      let parent = this.#root;
      for (const folder of folders) parent = await this.#folder(parent, folder);
      const isThere = await exists(() => parent.getFileHandle(name));
      if (isThere && !this.#overwrite) throw occupied(this.#root.name, path);
      let handle = await parent.getFileHandle(name, { create: true });
      if (!isWrittenBeside(handle)) {
        if (!isThere) await parent.removeEntry(name);
        handle = await parent.getFileHandle(`.${name}.partial`, { create: true });
      }
      let file: PendingHandle;
      try {
        file = await pendingHandle(handle, path);
      } catch (error) {
        if (!isThere || handle.name !== name) await remove(parent, handle.name);
        throw error;
      }
      this.#entries.push({ path, name, parent, handle, file, isNew: !isThere });
      return file.sink;
    });
  }

  /** @returns the paths */
  async commit(): Promise<Set<string>> {
    const entries = [...this.#entries].sort((a, b) => rank(a.path) - rank(b.path));
    for (const { path, name, parent, handle, file } of entries) {
      await file.commit();
      if (handle.name !== name) {
        await guarded("cannot finish", path, () => handle.move?.(parent, name));
      }
    }
    return new Set(entries.map(({ path }) => path));
  }

  async abort(): Promise<void> {
    for (const { name, parent, handle, file, isNew } of this.#entries) {
      await file.abort();
      if (handle.name !== name) await remove(parent, handle.name);
      if (isNew) await remove(parent, name);
    }
    // Only empty ones go: somebody else may have put something there.
    for (const { parent, name } of this.#made.reverse()) await remove(parent, name);
  }

  async #folder(parent: DirectoryHandleLike, name: string): Promise<DirectoryHandleLike> {
    const isThere = await exists(() => parent.getDirectoryHandle(name));
    const folder = await parent.getDirectoryHandle(name, { create: true });
    if (!isThere) this.#made.push({ parent, name });
    return folder;
  }
}

function rank(path: string): number {
  if (path === CONFIG_NAME) return 3;
  if (path === INDEX_NAME) return 2;
  return path.endsWith(".safetensors") ? 0 : 1;
}

function isCheckpointFile(name: string): boolean {
  return name === CONFIG_NAME || name === INDEX_NAME || name.endsWith(".safetensors");
}

async function namesIn(directory: DirectoryHandleLike): Promise<string[]> {
  const names: string[] = [];
  for await (const name of directory.keys()) names.push(name);
  return names.sort();
}

/** What is not there, or not empty, stays so. */
function remove(directory: DirectoryHandleLike, name: string): Promise<void> {
  return directory.removeEntry(name).catch(() => {});
}

async function exists(get: () => Promise<unknown>): Promise<boolean> {
  try {
    await get();
    return true;
  } catch (error) {
    if ((error as Partial<Error> | undefined)?.name === "NotFoundError") return false;
    throw error;
  }
}

function occupied(folder: string, name: string): StorageError {
  const there = folder === "" ? "the folder" : printable(folder);
  return new StorageError(
    `${there} already has ${printable(name)}; choose an empty folder, or pass overwrite`,
  );
}
