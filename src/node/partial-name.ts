/** The hidden folders in which outputs grow: what they are called, and whose they are. */

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { threadId } from "node:worker_threads";

/** A folder that some run has left, or is writing to. */
export interface FoundPartial {
  readonly path: string;
  /** A process that still runs writes to it. */
  readonly isInUse: boolean;
  /** The process that wrote to it is gone. */
  readonly isOrphan: boolean;
}

/**
 * In the same directory as the output, so that a rename suffices. The name says who writes to it: a
 * rename, of which one of two succeeds, takes it over.
 */
export function partialName(target: string): string {
  return beside(target, `${processId()}.partial`);
}

/** For a folder that nobody writes to any more. */
export function freeName(target: string): string {
  return beside(target, "partial");
}

/** For what is replaced, until the new output has its name. */
export function oldName(target: string): string {
  return beside(target, "old");
}

/** The folders of earlier runs for this output. */
export async function findPartials(target: string): Promise<FoundPartial[]> {
  const start = `.${basename(target)}.`;
  const found: FoundPartial[] = [];
  for (const name of await readdir(dirname(target)).catch(() => [])) {
    if (!name.startsWith(start)) continue;
    const match = /^[0-9a-f]{12}(?:\.(\d+)-(\d+)-\d+)?\.partial$/.exec(name.slice(start.length));
    if (match === null) continue;
    const [, pid, started] = match;
    const isInUse = pid !== undefined && isRunning(Number(pid), started as string);
    const isOrphan = pid !== undefined && !isInUse;
    found.push({ path: join(dirname(target), name), isInUse, isOrphan });
  }
  return found;
}

function beside(target: string, end: string): string {
  const unique = randomBytes(6).toString("hex");
  return join(dirname(target), `.${basename(target)}.${unique}.${end}`);
}

function processId(): string {
  return `${process.pid}-${startOf("self") ?? UNKNOWN_START}-${threadId}`;
}

const UNKNOWN_START = "0";

function isRunning(pid: number, started: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  // Another process may have got the number since.
  const now = startOf(String(pid));
  return now === undefined || started === UNKNOWN_START || now === started;
}

/** When a process began, where Linux tells it: in ticks since the machine began. */
function startOf(pid: string): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
