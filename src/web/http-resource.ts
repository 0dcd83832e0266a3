/**
 * One address, and wherever redirects lead from it. Credentials go to the address's own origin
 * alone; where redirects led is remembered, and asked anew when that place refuses.
 */

import { ArgumentError, printable, StorageError } from "../foundation/errors.ts";
import { Answer, orSilence } from "./answer.ts";
import { connectionError, refusalOf } from "./http-errors.ts";
import { checkHttpOptions, DEFAULT_STALL_MS, type HttpOptions } from "./http-options.ts";
import { isConfidential, isWebUrl, publicUrl } from "./public-url.ts";
import { Attempts, TransientError } from "./retry.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MOST_REDIRECTS = 10;

/** What a place says whose signed address has expired, or that has forgotten the file. */
const EXPIRED = new Set([400, 401, 403, 404, 410]);

/** Where a request goes. */
interface Place {
  readonly url: URL;
  /** The way here never left the first address's origin: credentials may be sent. */
  readonly isHome: boolean;
}

/** What the first address's origin says about a file while it redirects to where it lies. */
export interface Notes {
  /** The file's hash, whatever the ETag of the place where it lies. */
  linkedEtag?: string;
  /** The commit that a revision stands for. */
  commit?: string;
}

export class HttpResource {
  /** How messages call it. */
  readonly name: string;
  readonly attempts: Attempts;
  /** What was said on the way of the last request that started at the first address. */
  notes: Notes = {};
  readonly #url: URL;
  readonly #credentials: Headers;
  readonly #options: HttpOptions;
  /** Ends everything: aborted with the caller's reason, or when the resource is closed. */
  readonly #life = new AbortController();
  /** Where redirects led. */
  #place: Place | undefined;
  #hasAnswered = false;
  /** A page asks another origin: headers beyond the simple ones need that origin's consent. */
  #isCors = false;
  /** Redirects happen out of sight, as in browsers. */
  #isHidden = false;

  /** @throws ArgumentError */
  constructor(url: string | URL, options: HttpOptions) {
    checkHttpOptions(options);
    this.#url = checkedUrl(url);
    this.name = publicUrl(this.#url);
    this.#options = options;
    this.#credentials = credentialsOf(this.#url, options);
    this.attempts = new Attempts(this.name, this.#life.signal, options);
    const { signal } = options;
    if (signal?.aborted === true) this.#life.abort(signal.reason);
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** `If-Range` can be sent: without it, what comes is compared with what came before. */
  get takesConditions(): boolean {
    return !this.#isCors;
  }

  get signal(): AbortSignal {
    return this.#life.signal;
  }

  /** Ends what is under way, and lets go of connections. */
  close(): void {
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#life.abort(new StorageError(`cannot read ${printable(this.name)}: it was closed`));
  }

  /**
   * One request, followed to its end. 416 and statuses of success are answers; else:
   *
   * @throws TransientError, HttpStatusError, StorageError, or the signal's reason
   */
  async get(headers: Readonly<Record<string, string>>): Promise<Answer> {
    const remembered = this.#place;
    if (remembered !== undefined) {
      // Whatever fails there: the next attempt asks for the way anew.
      this.#place = undefined;
      const answer = await this.#send(remembered, headers);
      if (!EXPIRED.has(answer.status) && !REDIRECTS.has(answer.status)) {
        const checked = this.#checked(answer);
        this.#place = remembered;
        return checked;
      }
      answer.discard();
    }
    return this.#checked(await this.#resolve(headers));
  }

  /** The error of an answer that is none. */
  refusal({ status, headers, isElsewhere }: Answer): Error {
    return refusalOf({
      name: this.name,
      status,
      headers,
      url: this.#url,
      hasCredentials: [...this.#credentials.keys()].length > 0,
      isElsewhere,
      isHidden: this.#isHidden,
    });
  }

  readonly #onAbort = () => this.#life.abort(this.#options.signal?.reason);

  /** Goes from the first address to where redirects lead. */
  async #resolve(headers: Readonly<Record<string, string>>): Promise<Answer> {
    const notes: Notes = {};
    let place: Place = { url: this.#url, isHome: true };
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#send(place, headers);
      if (place.isHome) take(notes, answer.headers);
      if (!REDIRECTS.has(answer.status)) {
        this.notes = notes;
        if (redirects > 0 && answer.status < 300) this.#place = place;
        return answer;
      }
      answer.discard();
      if (redirects === MOST_REDIRECTS) throw this.#cannot(`more than ${redirects} redirects`);
      place = this.#next(place, answer.headers.get("location"));
    }
  }

  #next({ url, isHome }: Place, location: string | null): Place {
    if (location === null || !URL.canParse(location, url.href)) {
      throw this.#cannot("a redirect that does not say where to");
    }
    const next = new URL(location, url.href);
    if (!isWebUrl(next.href) || (url.protocol === "https:" && next.protocol !== "https:")) {
      throw this.#cannot(`a redirect from ${url.protocol} to ${next.protocol}, which is not safe`);
    }
    // `fetch` refuses them; they would not be sent anyway.
    next.username = "";
    next.password = "";
    return { url: next, isHome: isHome && next.origin === this.#url.origin };
  }

  async #send({ url, isHome }: Place, headers: Readonly<Record<string, string>>): Promise<Answer> {
    this.signal.throwIfAborted();
    const controller = new AbortController();
    const onAbort = () => controller.abort();
    this.signal.addEventListener("abort", onAbort);
    const onEnd = () => this.signal.removeEventListener("abort", onAbort);
    const { stallMs = DEFAULT_STALL_MS } = this.#options;
    const failure = (error: unknown) => this.#failure(error);
    const send = async (credentials: Headers | undefined, redirect: RequestRedirect) => {
      const all = new Headers(credentials);
      // A compressed body has other sizes than the file.
      all.set("Accept-Encoding", "identity");
      for (const [name, value] of Object.entries(headers)) all.set(name, value);
      const { fetch = globalThis.fetch } = this.#options;
      const init = { headers: all, redirect, signal: controller.signal };
      return orSilence(fetch(url.href, init), controller, stallMs);
    };
    try {
      let response = this.#isHidden
        ? await send(undefined, "follow")
        : await send(isHome ? this.#credentials : undefined, "manual");
      if (response.type === "opaqueredirect") {
        // Where it leads is out of our sight: then nothing secret goes along.
        this.#isHidden = true;
        response = await send(undefined, "follow");
      }
      this.#hasAnswered = true;
      this.#isCors = response.type === "cors";
      const origin = response.redirected ? new URL(response.url).origin : url.origin;
      const isElsewhere = origin !== this.#url.origin;
      return new Answer(response, { controller, stallMs, failure, onEnd, isElsewhere });
    } catch (error) {
      onEnd();
      throw failure(error);
    }
  }

  #failure(error: unknown): Error {
    if (this.signal.aborted) return this.signal.reason as Error;
    if (error instanceof TransientError) return error;
    return connectionError(this.name, error, this.#hasAnswered);
  }

  #checked(answer: Answer): Answer {
    const { status, headers } = answer;
    const isAnswer = (status >= 200 && status < 300) || status === 416;
    if (!isAnswer) {
      answer.discard();
      throw this.refusal(answer);
    }
    const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
    if (encoding !== "" && encoding !== "identity") {
      answer.cancel();
      throw this.#cannot(
        `the server compresses it (${printable(encoding)}) though it was asked not to, so sizes ` +
          "and ranges mean something else; download the file first",
      );
    }
    return answer;
  }

  #cannot(problem: string): StorageError {
    return new StorageError(`cannot read ${printable(this.name)}: ${problem}`);
  }
}

function take(notes: Notes, headers: Headers): void {
  const linkedEtag = headers.get("x-linked-etag");
  const commit = headers.get("x-repo-commit");
  if (linkedEtag !== null) notes.linkedEtag = linkedEtag;
  if (commit !== null) notes.commit = commit;
}

function checkedUrl(url: string | URL): URL {
  const text = String(url);
  const allowed = "an http or https URL without user and password";
  const parsed = isWebUrl(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined || parsed.username !== "" || parsed.password !== "") {
    throw new ArgumentError("url", allowed, publicUrl(text));
  }
  parsed.hash = "";
  return parsed;
}

/** @throws ArgumentError when they would be readable on their way */
function credentialsOf(url: URL, { token, headers = {} }: HttpOptions): Headers {
  const credentials = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    try {
      credentials.set(name, value);
    } catch {
      // The runtime's own message would show the value.
      throw new ArgumentError("headers", "names and values of HTTP headers", name);
    }
  }
  if (token === undefined) return credentials;
  if (!isConfidential(url)) {
    throw new ArgumentError("token", "an https URL to send it to", publicUrl(url));
  }
  credentials.set("Authorization", `Bearer ${token}`);
  return credentials;
}
