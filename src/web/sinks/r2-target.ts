/** Objects of Cloudflare R2, through a Worker's binding. */

import { ArgumentError, printable, StorageError } from "../../foundation/errors.ts";
import { checkHttpOptions } from "../http-options.ts";
import { Attempts, type RetryOptions, TransientError, withRetries } from "../retry.ts";
import { type MultipartTarget, type MultipartUpload, STORE_LIMITS } from "./multipart-target.ts";

/** What is needed of Cloudflare's `R2Bucket`. */
export interface R2MultipartBucket {
  createMultipartUpload(
    key: string,
    options?: { httpMetadata?: R2HttpMetadata; customMetadata?: Record<string, string> },
  ): Promise<R2MultipartUpload>;
}

export interface R2MultipartUpload {
  uploadPart(partNumber: number, value: Uint8Array<ArrayBuffer>): Promise<R2UploadedPart>;
  complete(parts: R2UploadedPart[]): Promise<unknown>;
  abort(): Promise<void>;
}

export interface R2UploadedPart {
  partNumber: number;
  etag: string;
}

/** Headers that whoever reads the object gets. */
export interface R2HttpMetadata {
  contentType?: string;
  contentDisposition?: string;
  cacheControl?: string;
}

export interface R2TargetOptions extends RetryOptions {
  /** @defaultValue contentType `application/octet-stream` */
  readonly httpMetadata?: R2HttpMetadata;
  /** Kept beside the object. */
  readonly customMetadata?: Readonly<Record<string, string>>;
}

/**
 * An object of an R2 bucket, for `multipartSink`.
 *
 * @param bucket the binding, as `env.BUCKET`
 * @throws ArgumentError
 */
export function r2Target(
  bucket: R2MultipartBucket,
  key: string,
  options: R2TargetOptions = {},
): MultipartTarget {
  if (typeof bucket?.createMultipartUpload !== "function") {
    throw new ArgumentError("bucket", "an R2 bucket's binding, such as env.BUCKET", bucket);
  }
  if (typeof key !== "string" || key === "") {
    throw new ArgumentError("key", "the object's name", key);
  }
  const { retries, backoffMs } = options;
  checkHttpOptions({ retries, backoffMs });
  const name = `R2 object ${key}`;
  const { httpMetadata = { contentType: "application/octet-stream" }, customMetadata } = options;
  const attempt = <Value>(what: string, signal: AbortSignal, call: () => Promise<Value>) =>
    withRetries(new Attempts(`${name}${what}`, signal, options, "write"), async () => {
      signal.throwIfAborted();
      try {
        return await call();
      } catch (error) {
        throw r2Error(`${name}${what}`, error);
      }
    });
  return {
    ...STORE_LIMITS,
    name,
    async begin(signal) {
      const upload = await attempt("", signal, () =>
        bucket.createMultipartUpload(key, {
          httpMetadata,
          ...(customMetadata === undefined ? {} : { customMetadata: { ...customMetadata } }),
        }),
      );
      return r2Upload(upload, attempt);
    },
  };
}

type Attempt = <Value>(
  what: string,
  signal: AbortSignal,
  call: () => Promise<Value>,
) => Promise<Value>;

function r2Upload(upload: R2MultipartUpload, attempt: Attempt): MultipartUpload {
  const parts: R2UploadedPart[] = [];
  return {
    async uploadPart(number, bytes, signal) {
      const part = await attempt(`, part ${number}`, signal, () =>
        upload.uploadPart(number, bytes),
      );
      parts[number - 1] = part;
    },
    async complete(signal) {
      await attempt("", signal, () => upload.complete(parts));
    },
    async abort() {
      try {
        await attempt("", new AbortController().signal, () => upload.abort());
      } catch (error) {
        if (codeOf(error) !== NO_SUCH_UPLOAD) throw error;
      }
    },
  };
}

/** Internal error, service unavailable, client disconnect, too many requests. */
const TRANSIENT_CODES = new Set([10001, 10043, 10054, 10058]);

const NO_SUCH_UPLOAD = 10024;

/** R2 says its code at the end of its message, as "(10001)". */
function codeOf(error: unknown): number {
  return Number(/\((\d{5})\)\s*$/.exec(messageOf(error))?.[1]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function r2Error(name: string, error: unknown): Error {
  const message = messageOf(error);
  if (TRANSIENT_CODES.has(codeOf(error)) || /network connection lost/i.test(message)) {
    return new TransientError(printable(message), { cause: error });
  }
  return new StorageError(`cannot write ${printable(name)}: ${printable(message)}`, {
    cause: error,
  });
}
