/**
 * The journal of a conversion as a file: a line of JSON for whatever is durable, with a checksum in
 * front, so that a line that was cut off ends it.
 */

import { createHash } from "node:crypto";
import { type FileHandle, open, readFile } from "node:fs/promises";
import type {
  ConversionJournal,
  EarlierFile,
  FinishedUnit,
  WholeFile,
} from "../checkpoint/journal.ts";
import type { RunIdentity } from "./run-identity.ts";
import { storageError } from "./storage-error.ts";

/** What a journal says of a file. */
export interface RecordedFile {
  readonly units: FinishedUnit[];
  whole: WholeFile | undefined;
  /** Its bytes may lie anywhere. */
  isMoving: boolean;
}

export interface ReadJournal {
  readonly identity: RunIdentity;
  readonly files: Map<string, RecordedFile>;
  /** Behind them lies what was cut off. */
  readonly validBytes: number;
}

type Line =
  | { readonly identity: RunIdentity }
  | { readonly file: string; readonly restart: true }
  | { readonly file: string; readonly moving: true }
  | ({ readonly file: string } & WholeFile)
  | { readonly file: string; readonly unit: readonly [number, number | null, ErrorNumbers?] };

/** relativeRms, mse, sampledElements; as texts, because JSON has no NaN. */
type ErrorNumbers = readonly [string, string, number];

/** @returns undefined when there is no journal, or not even its first line */
export async function readJournal(path: string): Promise<ReadJournal | undefined> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw storageError("cannot read", path, cause);
  });
  if (bytes === undefined) return undefined;
  let identity: RunIdentity | undefined;
  const files = new Map<string, RecordedFile>();
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    const line = parseLine(bytes.subarray(start, end));
    if (line === undefined) break;
    if ("identity" in line) identity = line.identity;
    else take(files, line);
    start = end + 1;
  }
  return identity && { identity, files, validBytes: start };
}

function take(files: Map<string, RecordedFile>, line: Exclude<Line, { identity: unknown }>): void {
  const known = files.get(line.file);
  const record = known ?? { units: [], whole: undefined, isMoving: false };
  if (known === undefined) files.set(line.file, record);
  if ("unit" in line) record.units.push(unitOf(line.unit));
  else if ("moving" in line) record.isMoving = true;
  else if ("restart" in line) files.delete(line.file);
  else record.whole = { bytes: line.bytes, dataBytes: line.dataBytes };
}

function parseLine(bytes: Buffer): Line | undefined {
  const text = bytes.toString();
  const json = text.slice(SUM_DIGITS + 1);
  if (text.slice(0, SUM_DIGITS) !== sumOf(json)) return undefined;
  return JSON.parse(json) as Line;
}

function textOf(line: Line): string {
  const json = JSON.stringify(line);
  return `${sumOf(json)} ${json}\n`;
}

const SUM_DIGITS = 8;

function sumOf(json: string): string {
  return createHash("sha256").update(json).digest("hex").slice(0, SUM_DIGITS);
}

function unitLine(file: string, { index, textBytes, error }: FinishedUnit): Line {
  const numbers = error && ([String(error.relativeRms), String(error.mse)] as const);
  const unit = [index, textBytes ?? null] as const;
  if (error === undefined || numbers === undefined) return { file, unit };
  return { file, unit: [...unit, [...numbers, error.sampledElements]] };
}

function unitOf([index, textBytes, error]: readonly [
  number,
  number | null,
  ErrorNumbers?,
]): FinishedUnit {
  const unit = { index, textBytes: textBytes ?? undefined };
  if (error === undefined) return unit;
  const [relativeRms, mse, sampledElements] = error;
  return {
    ...unit,
    error: { relativeRms: Number(relativeRms), mse: Number(mse), sampledElements },
  };
}

export class JournalFile implements ConversionJournal {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #earlier: ReadonlyMap<string, EarlierFile>;
  /** Units whose bytes may not have reached the disk. */
  readonly #noted = new Map<string, FinishedUnit[]>();
  #position: number;
  #last: Promise<void> = Promise.resolve();

  private constructor(
    path: string,
    handle: FileHandle,
    position: number,
    earlier: ReadonlyMap<string, EarlierFile>,
  ) {
    this.#path = path;
    this.#handle = handle;
    this.#position = position;
    this.#earlier = earlier;
  }

  /** @throws StorageError */
  static async create(path: string, identity: RunIdentity): Promise<JournalFile> {
    const journal = new JournalFile(path, await opened(path, "wx"), 0, new Map());
    await journal.#append([{ identity }]);
    return journal;
  }

  /**
   * Goes on behind what was read.
   *
   * @param sizeOf the size that a file has; undefined when it is not there
   * @throws StorageError
   */
  static async resume(
    path: string,
    { files, validBytes }: ReadJournal,
    sizeOf: (file: string) => Promise<number | undefined>,
  ): Promise<JournalFile> {
    const earlier = new Map<string, EarlierFile>();
    const journal = new JournalFile(path, await opened(path, "r+"), validBytes, earlier);
    await journal.#handle.truncate(validBytes);
    for (const [file, { units, whole, isMoving }] of files) {
      const bytes = await sizeOf(file);
      const isLost = bytes === undefined || (whole !== undefined && whole.bytes !== bytes);
      if (isLost || (isMoving && whole === undefined)) await journal.restart(file);
      else earlier.set(file, { units, whole, bytes });
    }
    return journal;
  }

  earlier(file: string): EarlierFile | undefined {
    return this.#earlier.get(file);
  }

  restart(file: string): Promise<void> {
    return this.#append([{ file, restart: true }], true);
  }

  unitDone(file: string, unit: FinishedUnit): void {
    const noted = this.#noted.get(file);
    if (noted === undefined) this.#noted.set(file, [unit]);
    else noted.push(unit);
  }

  /**
   * Takes the units that are written by now.
   *
   * @returns records them; to be called when their bytes are durable
   */
  takeNoted(file: string): () => Promise<void> {
    const units = this.#noted.get(file) ?? [];
    this.#noted.delete(file);
    return () => this.#append(units.map((unit) => unitLine(file, unit)));
  }

  moving(file: string): Promise<void> {
    return this.#append([{ file, moving: true }], true);
  }

  async fileDone(file: string, whole: WholeFile): Promise<void> {
    await this.takeNoted(file)();
    await this.#append([{ file, ...whole }]);
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#handle.close();
  }

  /**
   * One after the other. Behind a line that failed there is none: it would not be read.
   *
   * @param isUrgent the line must be durable before anything else happens; of others the last may get
   * lost with the machine's power, and what they tell is done again
   */
  #append(lines: readonly Line[], isUrgent = false): Promise<void> {
    this.#last = this.#last.then(async () => {
      try {
        const bytes = Buffer.from(lines.map(textOf).join(""));
        for (let done = 0; done < bytes.byteLength; ) {
          const { bytesWritten } = await this.#handle.write(
            bytes,
            done,
            bytes.byteLength - done,
            this.#position,
          );
          done += bytesWritten;
          this.#position += bytesWritten;
        }
        if (isUrgent) await this.#handle.datasync();
      } catch (cause) {
        throw storageError("cannot write", this.#path, cause);
      }
    });
    // Met by whoever waits for it, and by everything behind it.
    this.#last.catch(() => {});
    return this.#last;
  }
}

async function opened(path: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (cause) {
    throw storageError("cannot create", path, cause);
  }
}
