/** What may be said about requests. */

import { ArgumentError, checkSignal } from "../foundation/errors.ts";

export interface HttpOptions {
  /**
   * Sent as `Authorization: Bearer …` to the URL's own origin, never to another one that it
   * redirects to, and never over plain http to another machine.
   */
  readonly token?: string | undefined;
  /** More headers, for the URL's own origin alone. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Aborting it ends every request; reads throw its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Attempts after one that failed, as long as none of them brings anything. @defaultValue 5 */
  readonly retries?: number | undefined;
  /** Milliseconds before the first of them; each waits twice as long as the one before. @defaultValue 500 */
  readonly backoffMs?: number | undefined;
  /** Milliseconds without a byte after which a connection counts as lost. @defaultValue 60 000 */
  readonly stallMs?: number | undefined;
  /** @defaultValue the runtime's own */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
}

export const DEFAULT_RETRIES = 5;
export const DEFAULT_BACKOFF_MS = 500;
export const DEFAULT_STALL_MS = 60_000;

/** Timers end there: 2^31 − 1 milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** @throws ArgumentError, which never shows the token */
export function checkHttpOptions(options: HttpOptions): void {
  const { token, retries, backoffMs, stallMs, fetch, signal } = options;
  for (const [name, value] of Object.entries({ retries, backoffMs, stallMs })) {
    if (value === undefined) continue;
    const isCount = Number.isInteger(value) && value >= 0 && value <= LONGEST_MS;
    if (!isCount) throw new ArgumentError(name, "a whole number from 0 to 2^31 − 1", value);
  }
  if (fetch !== undefined && typeof fetch !== "function") {
    throw new ArgumentError("fetch", "a function such as the runtime's own", fetch);
  }
  checkSignal(signal);
  checkToken(token, "token");
}

/** @throws ArgumentError for what cannot stand in a header */
export function checkToken(token: string | undefined, argument: string): void {
  if (token === undefined || (typeof token === "string" && /^[\x21-\x7e]+$/.test(token))) return;
  const received = typeof token === "string" ? new HiddenToken(token) : typeof token;
  throw new ArgumentError(argument, "a token of visible ASCII characters, on one line", received);
}

/** Stands for a token in a message. */
class HiddenToken {
  readonly #length: number;

  constructor(token: string) {
    this.#length = token.length;
  }

  toString(): string {
    return this.#length === 0 ? "nothing" : `${this.#length} characters, some of another kind`;
  }
}
