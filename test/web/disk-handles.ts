/** The browsers' file handles on folders of this disk, after their standard. */

import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openAsBlob,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { copyFile, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type {
  AccessedFile,
  DirectoryHandleLike,
  FileHandleLike,
  WritableFile,
} from "../../src/web/sinks/handles.ts";

/** What a browser has: streams that appear at once, or access in Workers; and how much room. */
export interface Browser {
  readonly files: "writable" | "accessed" | "none";
  /** Bytes that all files together may have. */
  room?: number;
}

export function diskDirectory(path: string, browser: Browser): DirectoryHandleLike {
  return {
    kind: "directory",
    name: basename(path),
    async *keys() {
      for (const name of await readdir(path)) if (!name.endsWith(".swap")) yield name;
    },
    async getFileHandle(name, options) {
      await entry(join(path, name), "file", options?.create === true);
      return diskFile(path, name, browser);
    },
    async getDirectoryHandle(name, options) {
      await entry(join(path, name), "directory", options?.create === true);
      return diskDirectory(join(path, name), browser);
    },
    async removeEntry(name) {
      const place = join(path, name);
      const stats = await stat(place).catch(() => undefined);
      if (stats === undefined) throw new DOMException("no such entry", "NotFoundError");
      await (stats.isDirectory() ? rmdir(place) : unlink(place));
    },
  };
}

async function entry(path: string, kind: "file" | "directory", create: boolean): Promise<void> {
  if (!/^[^/]+$/.test(basename(path)) || /\/\.{1,2}$/.test(path)) throw new TypeError("name");
  const stats = await stat(path).catch(() => undefined);
  if (stats !== undefined && stats.isDirectory() !== (kind === "directory")) {
    throw new DOMException("another kind", "TypeMismatchError");
  }
  if (stats !== undefined) return;
  if (!create) throw new DOMException("no such entry", "NotFoundError");
  if (kind === "directory") await mkdir(path);
  else await (await open(path, "w")).close();
}

function diskFile(folder: string, name: string, browser: Browser): FileHandleLike {
  const path = join(folder, name);
  const base: FileHandleLike = {
    kind: "file",
    name,
    getFile: async () => (await openAsBlob(path)) as File,
    move: (directory, newName) => {
      if (directory.name !== basename(folder)) throw new Error("not in these tests");
      return rename(path, join(folder, newName));
    },
  };
  if (browser.files === "none") return base;
  if (browser.files === "accessed") {
    return { ...base, createSyncAccessHandle: async () => accessed(path, browser) };
  }
  return { ...base, createWritable: () => writable(path, browser) };
}

let swaps = 0;

async function writable(path: string, browser: Browser): Promise<WritableFile> {
  const swap = `${path}.${swaps++}.swap`;
  const handle = await open(swap, "w");
  return {
    async write({ position, data }) {
      takeRoom(browser, data.byteLength);
      await handle.write(data, 0, data.byteLength, position);
    },
    truncate: (size) => handle.truncate(size),
    async close() {
      await handle.close();
      await copyFile(swap, path);
      await rm(swap);
    },
    async abort() {
      await handle.close();
      await rm(swap);
    },
  };
}

function accessed(path: string, browser: Browser): AccessedFile {
  const file = openSync(path, "r+");
  let isOpen = true;
  return {
    read: (target, { at }) => readSync(file, target, 0, target.byteLength, at),
    write: (bytes, { at }) => {
      takeRoom(browser, bytes.byteLength);
      return writeSync(file, bytes, 0, bytes.byteLength, at);
    },
    truncate: (size) => ftruncateSync(file, size),
    flush: () => fsyncSync(file),
    close: () => {
      if (isOpen) closeSync(file);
      isOpen = false;
    },
  };
}

function takeRoom(browser: Browser, bytes: number): void {
  if (browser.room === undefined) return;
  browser.room -= bytes;
  if (browser.room < 0) throw new DOMException("full", "QuotaExceededError");
}
