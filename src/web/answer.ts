/** A server's answer, its body read chunk by chunk, watched for silence. */

import { TransientError } from "./retry.ts";

/** Bodies that nobody wants are read to their end up to here, which keeps the connection usable. */
const DRAINED_BYTES = 1 << 16;

export interface AnswerContext {
  /** Ends the request and its body. */
  readonly controller: AbortController;
  readonly stallMs: number;
  /** What a failure of the connection is to be thrown as. */
  readonly failure: (error: unknown) => Error;
  /** Called once, when nothing more will come. */
  readonly onEnd: () => void;
  /** Another origin than that of the address that was asked first. */
  readonly isElsewhere: boolean;
}

export class Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly isElsewhere: boolean;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #context: AnswerContext;
  #hasEnded = false;

  constructor(response: Response, context: AnswerContext) {
    this.status = response.status;
    this.headers = response.headers;
    this.isElsewhere = context.isElsewhere;
    this.#reader = response.body?.getReader();
    this.#context = context;
  }

  /**
   * The next bytes; undefined at the end of the body.
   *
   * @throws TransientError when the connection is lost or silent; the signal's reason
   */
  async next(): Promise<Uint8Array | undefined> {
    if (this.#hasEnded || this.#reader === undefined) return this.#end();
    const { controller, stallMs, failure } = this.#context;
    try {
      const { done, value } = await orSilence(this.#reader.read(), controller, stallMs);
      return done ? this.#end() : value;
    } catch (error) {
      this.#end();
      throw failure(error);
    }
  }

  /** Nobody wants the rest. */
  discard(): void {
    const length = Number(this.headers.get("content-length") ?? Number.POSITIVE_INFINITY);
    if (this.#reader === undefined || length <= DRAINED_BYTES) void this.drain();
    else this.cancel();
  }

  /** Reads a short rest that nobody wants; a long one is cut off. */
  async drain(): Promise<void> {
    try {
      for (let left = DRAINED_BYTES; left >= 0; ) {
        const chunk = await this.next();
        if (chunk === undefined) return;
        left -= chunk.byteLength;
      }
    } catch {
      // It is gone in any case.
    }
    this.cancel();
  }

  /** Cuts the connection. */
  cancel(): void {
    if (this.#hasEnded) return;
    this.#end();
    this.#context.controller.abort();
  }

  #end(): undefined {
    if (!this.#hasEnded) this.#context.onEnd();
    this.#hasEnded = true;
    return undefined;
  }
}

/**
 * Ends a wait for something that does not come. It does not count on the runtime to end it after an
 * abort: Node's fetch forgets reads that are under way when a body has just ended.
 */
export async function orSilence<Value>(
  wait: Promise<Value>,
  controller: AbortController,
  stallMs: number,
): Promise<Value> {
  const { signal } = controller;
  let isSilent = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort = () => {};
  try {
    return await new Promise<Value>((resolve, reject) => {
      onAbort = () => {
        const silence = `nothing came for ${stallMs / 1000} s`;
        reject(isSilent ? new TransientError(silence) : (signal.reason as Error));
      };
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort);
      timer = setTimeout(() => {
        isSilent = true;
        controller.abort();
      }, stallMs);
      wait.then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}
