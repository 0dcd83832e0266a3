/** What another attempt may mend, and how long to wait before it. */

import { printable, StorageError } from "../foundation/errors.ts";
import { DEFAULT_BACKOFF_MS, DEFAULT_RETRIES, type HttpOptions } from "./http-options.ts";

/** A failure that may not happen again: a lost connection, a server that is busy. */
export class TransientError extends Error {
  /** How long the server asked to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: ErrorOptions & { readonly retryAfterMs?: number } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

const LONGEST_BACKOFF_MS = 30_000;

/** A server that asks for more is not waited for: the Hub's limits are counted in 5 minutes. */
const LONGEST_RETRY_AFTER_MS = 300_000;

/** So many bytes count as success: a server that drops every connection early must not hold us. */
const PROGRESS_BYTES = 1 << 16;

export type RetryOptions = Pick<HttpOptions, "retries" | "backoffMs">;

/** What cannot be done, in messages. */
export type Verb = "read" | "write";

/** Counts the attempts that failed in a row. */
export class Attempts {
  readonly #name: string;
  readonly #signal: AbortSignal;
  readonly #retries: number;
  readonly #backoffMs: number;
  readonly #verb: Verb;
  #failures = 0;
  #progress = 0;

  constructor(
    name: string,
    signal: AbortSignal,
    { retries, backoffMs }: RetryOptions,
    verb: Verb = "read",
  ) {
    this.#name = name;
    this.#signal = signal;
    this.#retries = retries ?? DEFAULT_RETRIES;
    this.#backoffMs = backoffMs ?? DEFAULT_BACKOFF_MS;
    this.#verb = verb;
  }

  succeeded(byteCount: number): void {
    this.#progress += byteCount;
    if (this.#progress >= PROGRESS_BYTES) this.#failures = 0;
  }

  /** Returns when it is time for the next attempt; throws when there should be none. */
  async failed(error: unknown): Promise<void> {
    if (!(error instanceof TransientError)) throw error;
    this.#failures++;
    this.#progress = 0;
    const asked = error.retryAfterMs ?? 0;
    if (this.#failures > this.#retries || asked > LONGEST_RETRY_AFTER_MS) {
      throw this.#gaveUp(error, asked);
    }
    const backoff = Math.min(LONGEST_BACKOFF_MS, this.#backoffMs * 2 ** (this.#failures - 1));
    // Half of it is chance, so that many clients do not come back together.
    await delay(Math.max(asked, backoff * (0.5 + Math.random() / 2)), this.#signal);
  }

  #gaveUp(error: TransientError, asked: number): StorageError {
    const tried =
      asked > LONGEST_RETRY_AFTER_MS
        ? `, and asks to be left alone for ${Math.ceil(asked / 1000)} s`
        : this.#failures > 1
          ? ` (after ${this.#failures} attempts)`
          : "";
    return new StorageError(
      `cannot ${this.#verb} ${printable(this.#name)}: ${error.message}${tried}; try again later`,
      { cause: error },
    );
  }
}

/**
 * Does it until it works, or until there is no use in another attempt.
 *
 * @param attempt throws a TransientError for what may not happen again
 */
export async function withRetries<Value>(
  attempts: Attempts,
  attempt: () => Promise<Value>,
): Promise<Value> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      await attempts.failed(error);
    }
  }
}

/** Milliseconds of a `Retry-After`: seconds, or a date. */
export function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** @throws the signal's reason */
async function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await new Promise<void>((done) => {
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      done();
    };
    const timer = setTimeout(finish, milliseconds);
    signal.addEventListener("abort", finish);
  });
  signal.throwIfAborted();
}
