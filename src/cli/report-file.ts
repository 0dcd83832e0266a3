/** The file of a report: whole under its name or not at all, and never in the place of a model. */

import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { PendingOutput } from "../checkpoint/pending-output.ts";
import { ArgumentError, printable, StorageError } from "../foundation/errors.ts";
import { pendingFile } from "../node/output.ts";

export interface ReportFile extends Pick<PendingOutput, "abort"> {
  /** Writes the page and gives it its name. */
  finish(page: string): Promise<void>;
}

/**
 * The file is made at once: who may not write there learns it before hours of work.
 *
 * @param models paths of what is compared
 * @throws StorageError, ArgumentError
 */
export async function openReport(
  path: string,
  overwrite: boolean,
  models: readonly string[],
): Promise<ReportFile> {
  await refusePartOf(models, path);
  const pending = await pendingFile(path, { overwrite });
  try {
    const sink = await pending.create(basename(path));
    return {
      async finish(page) {
        await sink.write(new TextEncoder().encode(page), 0);
        await sink.close();
        await pending.commit();
      },
      abort: () => pending.abort(),
    };
  } catch (error) {
    await pending.abort();
    throw error;
  }
}

/** `--overwrite` replaces a report: never a file of the models, a device or a link. */
async function refusePartOf(models: readonly string[], path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined || stats.isDirectory()) return;
  const real = join(await realpath(dirname(path)), basename(path));
  for (const model of models) {
    const place = await realpath(model).catch(() => undefined);
    if (place !== real && !(place === dirname(real) && /\.(safetensors|json)$/.test(real)))
      continue;
    throw new ArgumentError("html", "a file that is no part of the compared models", path);
  }
  if (!stats.isFile()) {
    throw new StorageError(`${printable(path)} is not a regular file; choose another place`);
  }
}
