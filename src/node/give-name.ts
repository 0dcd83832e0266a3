/** The last step of an output: its name. */

import { link, lstat, open, rename, rm, rmdir, unlink } from "node:fs/promises";
import { oldName } from "./partial-name.ts";

/**
 * Moves `temporary` to `target`. Without `overwrite` nothing that appeared there in the meantime
 * is touched; with it, what was there is restored when the move fails.
 */
export async function giveName(
  temporary: string,
  target: string,
  overwrite: boolean,
): Promise<void> {
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
    const old = oldName(target);
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

/** Makes a rename durable. Some systems cannot; the data itself is already synced. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
