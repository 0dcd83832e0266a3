/** Answers and failures of servers, told so that one knows what to do. */

import { printable, StorageError } from "../foundation/errors.ts";
import { withPublicUrls } from "./public-url.ts";
import { retryAfterMs, TransientError, type Verb } from "./retry.ts";

/** The server answered, and the answer is no. */
export class HttpStatusError extends StorageError {
  /** HTTP's status code. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }

  /** There is nothing under that address. */
  get isMissing(): boolean {
    return this.status === 404 || this.status === 410;
  }
}

/** A page for people where a file was expected, as some servers answer for what they do not have. */
export class WebPageError extends StorageError {
  constructor(name: string) {
    super(
      `cannot read ${printable(name)}: it is a web page; expected the address of a file itself`,
    );
  }
}

export interface Refused {
  readonly name: string;
  readonly status: number;
  readonly headers: Headers;
  /** The address that was asked first. */
  readonly url: URL;
  /** Credentials were there to be sent. */
  readonly hasCredentials: boolean;
  /** The answer came from another origin, where redirects led. */
  readonly isElsewhere: boolean;
  /** The runtime hides where redirects lead, so credentials stayed at home. */
  readonly isHidden: boolean;
}

/** Statuses under which HTTP lets one try again; 501 and 505 will not go away. */
const BUSY = new Set([408, 425, 429, 500, 502, 503, 504]);

export function isBusy(status: number): boolean {
  return BUSY.has(status) || (status > 505 && status < 600);
}

/** The error that an answer without bytes stands for. */
export function refusalOf(refused: Refused): TransientError | HttpStatusError {
  const { name, status, headers } = refused;
  const said = headers.get("x-error-message");
  const words = said === null ? "" : `, ${printable(withPublicUrls(said))}`;
  if (isBusy(status)) {
    const wait = retryAfterMs(headers.get("retry-after"));
    const problem = status === 429 ? "too many requests" : "the server cannot answer now";
    const options = wait === undefined ? {} : { retryAfterMs: wait };
    return new TransientError(`${problem} (status ${status}${words})`, options);
  }
  const problem = `cannot read ${printable(name)}: ${explained(refused)} (status ${status}${words})`;
  return new HttpStatusError(`${problem}${remedyOf(refused)}`, status);
}

function explained({ status }: Refused): string {
  if (status === 401 || status === 403) return "access is refused";
  if (status === 404 || status === 410) return "there is no such file";
  return "an unexpected answer";
}

function remedyOf(refused: Refused): string {
  const { status, headers, url, hasCredentials, isElsewhere, isHidden } = refused;
  const isHub = /(^|\.)(huggingface\.co|hf\.co)$/.test(url.hostname) || headers.has("x-error-code");
  if (status !== 401 && status !== 403) return "";
  if (isHidden && hasCredentials) {
    return (
      ". This runtime hides where redirects lead, so no token was sent along; " +
      "read it elsewhere, or pass a `fetch` that follows them"
    );
  }
  if (isElsewhere) return ". It came from where a redirect led; that address may have expired";
  if (isHub && hasCredentials) {
    return (
      ". The token was sent: does it have read access, and does its owner have access to this " +
      "model? Gated models ask to accept their terms on the model's page"
    );
  }
  if (isHub) {
    return (
      ". The Hub answers so for private and gated models, and for names that do not exist; for the " +
      "former set HF_TOKEN to a token with read access (or pass token, --token-file)"
    );
  }
  if (hasCredentials) return ". The token was sent, and does not suffice";
  const signed = url.search === "" ? "" : "; if the address is a signed one, it may have expired";
  return `. Pass a token (token, --token-file)${signed}`;
}

/** Certificates do not become valid by trying again. */
const HOPELESS = /CERT|SELF_SIGNED|ERR_TLS|ERR_SSL|UNABLE_TO_(VERIFY|GET_ISSUER)|INVALID_URL/;

/** Wrong names and closed ports: no reason to wait, unless the server has answered before. */
const ABSENT = new Set(["ENOTFOUND", "ECONNREFUSED", "EPROTO"]);

const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: "no host has that name",
  EAI_AGAIN: "the host's name cannot be looked up now",
  ECONNREFUSED: "the host refuses connections",
  ECONNRESET: "the connection was lost",
  EPIPE: "the connection was lost",
  EPROTO: "no secure connection comes about; is it an http: address?",
  ETIMEDOUT: "the host does not answer",
  UND_ERR_CONNECT_TIMEOUT: "the host does not answer",
  UND_ERR_SOCKET: "the connection was lost",
};

/**
 * The error of a connection that failed.
 *
 * @param hasAnswered the server did answer before
 */
export function connectionError(
  name: string,
  error: unknown,
  hasAnswered: boolean,
  verb: Verb = "read",
): Error {
  const code = codeOf(error);
  const reason = REASONS[code] ?? printable(withPublicUrls(messageOf(error)));
  const message = code === "" || reason.includes(code) ? reason : `${reason} (${code})`;
  const isHopeless = HOPELESS.test(code) || reason === "bad port" || isForbidden(error);
  if (isHopeless || (!hasAnswered && ABSENT.has(code))) {
    return new StorageError(`cannot ${verb} ${printable(name)}: ${message}`, { cause: error });
  }
  return new TransientError(message, { cause: error });
}

/** Deno gives no access to that host. */
function isForbidden(error: unknown): boolean {
  return error instanceof Error && error.name === "NotCapable";
}

/** Deno has words for what has a code elsewhere. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/connection refused/i, "ECONNREFUSED"],
  [/name or service not known|no address associated|no such host/i, "ENOTFOUND"],
  [/temporary failure in name resolution/i, "EAI_AGAIN"],
  [/invalid peer certificate/i, "ERR_TLS_CERT"],
  [/received corrupt message/i, "EPROTO"],
];

/** Node wraps what went wrong as the cause of "fetch failed". */
function codeOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { readonly code?: unknown };
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]+$/.test(code)) return code;
  }
  const message = messageOf(error);
  return WORDS.find(([words]) => words.test(message))?.[1] ?? "";
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
