/** Gathers bytes into parts of one size and uploads several of them at once. */

import { printable, StorageError } from "../../foundation/errors.ts";
import type { MultipartTarget, MultipartUpload } from "./multipart-target.ts";

export class MultipartWriter {
  /** Called once, when the upload has failed and nothing of it is left. */
  onFailure: (error: unknown) => void = () => {};
  /** Called once, after success or failure. */
  onEnd: () => void = () => {};
  /** Why parts of a failed upload are still in the store. */
  leftover: StorageError | undefined;

  readonly #target: MultipartTarget;
  readonly #partBytes: number;
  readonly #concurrency: number;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** Buffers whose parts are stored. */
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  #filling: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  #parts = 0;
  #beginning: Promise<MultipartUpload> | undefined;
  #completing: Promise<void> | undefined;
  #isComplete = false;
  #failing: Promise<never> | undefined;

  constructor(target: MultipartTarget, partBytes: number, concurrency: number) {
    this.#target = target;
    this.#partBytes = partBytes;
    this.#concurrency = concurrency;
  }

  /** Returns when the bytes are in a part; waits while too many parts are under way. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.#failing !== undefined) return this.#failing;
      // A full buffer waits for the bytes behind it: the last part is never an empty one.
      if (this.#filled === this.#partBytes) await this.#send();
      this.#filling ??= this.#free.pop() ?? new Uint8Array(this.#partBytes);
      const piece = bytes.subarray(at, at + this.#partBytes - this.#filled);
      this.#filling.set(piece, this.#filled);
      this.#filled += piece.byteLength;
      at += piece.byteLength;
    }
  }

  /** Uploads the last part and puts the object under its key. */
  async close(): Promise<void> {
    if (this.#filled > 0 || this.#parts === 0) await this.#send();
    await Promise.all(this.#running);
    if (this.#failing !== undefined) return this.#failing;
    const upload = await this.#upload();
    try {
      this.#completing = upload.complete(this.#stop.signal);
      await this.#completing;
    } catch (error) {
      return this.#fail(error);
    }
    this.onEnd();
  }

  /** Ends the upload; returns when nothing of it is left. */
  fail(reason: unknown): Promise<void> {
    return this.#fail(reason).catch(() => {});
  }

  /** Starts to upload what was gathered, when there is room. */
  async #send(): Promise<void> {
    while (this.#running.size >= this.#concurrency) await Promise.race(this.#running);
    if (this.#failing !== undefined) return this.#failing;
    const number = this.#parts + 1;
    const { name, maxParts } = this.#target;
    if (number > maxParts) {
      const most = maxParts * this.#partBytes;
      return this.#fail(
        new StorageError(
          `cannot write ${printable(name)}: it is longer than ${most} bytes, ${maxParts} parts of ` +
            `${this.#partBytes}; pass its size (expectedBytes), or larger parts (partBytes)`,
        ),
      );
    }
    const buffer = this.#filling ?? new Uint8Array(0);
    const bytes = buffer.subarray(0, this.#filled);
    this.#parts = number;
    this.#filling = undefined;
    this.#filled = 0;
    const part = this.#store(number, bytes).then(
      () => {
        this.#running.delete(part);
        this.#free.push(buffer);
      },
      (error: unknown) => {
        this.#running.delete(part);
        this.fail(error);
      },
    );
    this.#running.add(part);
  }

  async #store(number: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const upload = await this.#upload();
    await upload.uploadPart(number, bytes, this.#stop.signal);
  }

  #upload(): Promise<MultipartUpload> {
    this.#beginning ??= this.#target.begin(this.#stop.signal);
    return this.#beginning;
  }

  /** The first failure counts; what came of it is told when it is cleaned up. */
  #fail(error: unknown): Promise<never> {
    this.#failing ??= this.#cleanUp(error);
    return this.#failing;
  }

  async #cleanUp(error: unknown): Promise<never> {
    this.#stop.abort(error);
    await Promise.all(this.#running);
    await this.#completing?.then(
      () => {
        this.#isComplete = true;
      },
      () => {},
    );
    this.#free.length = 0;
    this.#filling = undefined;
    const failure = await this.#removed(error);
    this.onEnd();
    this.onFailure(failure);
    throw failure;
  }

  /** The error to show, once the upload is gone. */
  async #removed(error: unknown): Promise<unknown> {
    const upload = await this.#beginning?.catch(() => undefined);
    // Whoever gave up was too late.
    if (this.#isComplete) return error;
    try {
      await upload?.abort();
      return error;
    } catch (problem) {
      const why = problem instanceof Error ? problem.message : String(problem);
      const said = error instanceof Error ? error.message : String(error);
      this.leftover = new StorageError(
        `${printable(said)}. Its parts could not be removed either (${printable(why)}): abort the ` +
          `unfinished upload of ${printable(this.#target.name)}, or let a rule of the bucket do it`,
        { cause: error },
      );
      return this.leftover;
    }
  }
}
