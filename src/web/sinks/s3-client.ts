/** Requests about one S3 object: signed by the caller's fetch, tried again where that may help. */

import { printable, StorageError } from "../../foundation/errors.ts";
import { orSilence } from "../answer.ts";
import { connectionError, HttpStatusError, isBusy } from "../http-errors.ts";
import { publicUrl, withPublicUrls } from "../public-url.ts";
import { Attempts, retryAfterMs, TransientError, withRetries } from "../retry.ts";
import type { S3TargetOptions } from "./s3-options.ts";
import { xmlValue } from "./s3-xml.ts";

const DEFAULT_TIMEOUT_MS = 300_000;

/** What S3 says, under whatever status, of what may work another time. */
const TRANSIENT_CODES = new Set([
  "InternalError",
  "OperationAborted",
  "RequestTimeout",
  "RequestTimeTooSkewed",
  "ServiceUnavailable",
  "SlowDown",
]);

export interface S3Request {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly query: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Which part of the work it is, for messages. */
  readonly what?: string;
}

export class S3Client {
  /** How messages call the object. */
  readonly name: string;
  /** A request got no clear answer: it may have been done all the same. */
  hasLostAnswer = false;
  readonly #url: URL;
  readonly #options: S3TargetOptions;
  #hasAnswered = false;

  constructor(url: URL, options: S3TargetOptions) {
    this.#url = url;
    this.name = publicUrl(url);
    this.#options = options;
  }

  /**
   * @param read takes what is wanted of a good answer
   * @throws HttpStatusError, StorageError or the signal's reason
   */
  send<Value>(
    request: S3Request,
    signal: AbortSignal,
    read: (response: Response) => Promise<Value>,
  ): Promise<Value> {
    const name = `${this.name}${request.what ?? ""}`;
    const attempts = new Attempts(name, signal, this.#options, "write");
    return withRetries(attempts, () => this.#attempt(name, request, signal, read));
  }

  /** An upload's completion is answered with 200 before it is known how it ends. */
  async checkCompleted(response: Response): Promise<void> {
    const xml = await response.text();
    if (/<CompleteMultipartUploadResult[\s>]/.test(xml)) return;
    if (/<Error[\s>]/.test(xml)) throw this.#refusal(this.name, response, xml);
    throw new TransientError("the answer was cut off");
  }

  async #attempt<Value>(
    name: string,
    { method, query, headers = {}, body }: S3Request,
    signal: AbortSignal,
    read: (response: Response) => Promise<Value>,
  ): Promise<Value> {
    signal.throwIfAborted();
    const url = new URL(this.#url);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    const controller = new AbortController();
    const onAbort = () => controller.abort(signal.reason);
    signal.addEventListener("abort", onAbort);
    let isRefused = false;
    const answer = async () => {
      const init = { method, headers: { ...headers }, signal: controller.signal };
      const response = await this.#options.fetch(
        url.href,
        body === undefined ? init : { ...init, body },
      );
      this.#hasAnswered = true;
      if (!response.ok) {
        const xml = await response.text();
        isRefused = response.status < 500;
        throw this.#refusal(name, response, xml);
      }
      return await read(response);
    };
    try {
      const { timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options;
      return await orSilence(answer(), controller, timeoutMs);
    } catch (error) {
      signal.throwIfAborted();
      if (!isRefused) this.hasLostAnswer = true;
      if (error instanceof StorageError || error instanceof TransientError) throw error;
      throw connectionError(name, error, this.#hasAnswered, "write");
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #refusal(name: string, { status, headers }: Response, xml: string): Error {
    const code = xmlValue(xml, "Code") ?? "";
    const message = xmlValue(xml, "Message") ?? "";
    const words = [code, message].filter((word) => word !== "").join(": ");
    const said = words === "" ? "" : `, ${printable(withPublicUrls(words))}`;
    if (TRANSIENT_CODES.has(code) || isBusy(status)) {
      const wait = retryAfterMs(headers.get("retry-after"));
      const options = wait === undefined ? {} : { retryAfterMs: wait };
      return new TransientError(`the store cannot answer now (status ${status}${said})`, options);
    }
    const problem = `cannot write ${printable(name)}: ${explained(status)} (status ${status}${said})`;
    return new HttpStatusError(`${problem}${remedyOf(status)}`, status);
  }
}

function explained(status: number): string {
  if (status === 401 || status === 403) return "access is refused";
  if (status === 404 || status === 410) return "there is no such bucket or upload";
  if (status === 301 || status === 307 || status === 308) return "the bucket is elsewhere";
  return "the store refuses it";
}

function remedyOf(status: number): string {
  if (status !== 401 && status !== 403) return "";
  return (
    ". Does `fetch` sign for this store and region, and do its credentials allow s3:PutObject and " +
    "s3:AbortMultipartUpload?"
  );
}
