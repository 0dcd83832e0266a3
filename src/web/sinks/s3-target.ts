/** Objects of Amazon S3, and of every store that speaks its REST. */

import { ArgumentError, printable, StorageError } from "../../foundation/errors.ts";
import { HttpStatusError } from "../http-errors.ts";
import { checkHttpOptions } from "../http-options.ts";
import { isWebUrl, publicUrl } from "../public-url.ts";
import { type MultipartTarget, type MultipartUpload, STORE_LIMITS } from "./multipart-target.ts";
import { S3Client } from "./s3-client.ts";
import type { S3TargetOptions } from "./s3-options.ts";
import { completeText, xmlValue } from "./s3-xml.ts";

/**
 * An object of an S3 bucket, for `multipartSink`. What signs needs the rights `s3:PutObject` and
 * `s3:AbortMultipartUpload`; in a browser the bucket's CORS rules must expose `ETag`.
 *
 * @param url the object's own address, as `https://bucket.s3.eu-central-1.amazonaws.com/key` or
 * `https://account.r2.cloudflarestorage.com/bucket/key`; special characters of the key are encoded
 * @throws ArgumentError
 */
export function s3Target(url: string | URL, options: S3TargetOptions): MultipartTarget {
  const { retries, backoffMs, timeoutMs } = options ?? {};
  checkHttpOptions({ retries, backoffMs, stallMs: timeoutMs });
  if (typeof options?.fetch !== "function") {
    throw new ArgumentError("fetch", "a function that signs and sends requests", options?.fetch);
  }
  const object = checkedUrl(url);
  const client = new S3Client(object, options);
  const headers = { "content-type": "application/octet-stream", ...options.headers };
  return {
    ...STORE_LIMITS,
    name: client.name,
    async begin(signal) {
      const uploadId = await client.send(
        { method: "POST", headers, query: { uploads: "" } },
        signal,
        idOf,
      );
      return s3Upload(client, uploadId);
    },
  };

  async function idOf(response: Response): Promise<string> {
    const id = xmlValue(await response.text(), "UploadId");
    if (id !== undefined && id !== "") return id;
    throw new StorageError(
      `cannot write ${printable(client.name)}: the answer to a new upload has no UploadId; is this ` +
        "address an S3 object's?",
    );
  }
}

function s3Upload(client: S3Client, uploadId: string): MultipartUpload {
  const etags: string[] = [];
  return {
    async uploadPart(number, bytes, signal) {
      const query = { partNumber: String(number), uploadId };
      const what = `, part ${number}`;
      const etag = await client.send(
        { method: "PUT", body: bytes, query, what },
        signal,
        async (response) => {
          await response.body?.cancel();
          return response.headers.get("etag");
        },
      );
      if (etag === null) {
        throw new StorageError(
          `cannot write ${printable(client.name)}${what}: the answer has no ETag; in a browser the ` +
            "bucket's CORS rules must expose it",
        );
      }
      etags[number - 1] = etag;
    },
    async complete(signal) {
      const body = completeText(etags);
      client.hasLostAnswer = false;
      const headers = { "content-type": "application/xml" };
      try {
        await client.send(
          { method: "POST", body, headers, query: { uploadId } },
          signal,
          (response) => client.checkCompleted(response),
        );
      } catch (error) {
        if (!(error instanceof HttpStatusError && error.isMissing && client.hasLostAnswer))
          throw error;
        throw new StorageError(
          `cannot write ${printable(client.name)}: the answer to its completion was lost, and the ` +
            "upload is no longer there: it may be complete. Look at the object, or write it again",
          { cause: error },
        );
      }
    },
    async abort() {
      const { signal } = new AbortController();
      try {
        await client.send({ method: "DELETE", query: { uploadId } }, signal, async (response) => {
          await response.body?.cancel();
        });
      } catch (error) {
        // It is gone already.
        if (!(error instanceof HttpStatusError && error.isMissing)) throw error;
      }
    },
  };
}

function checkedUrl(url: string | URL): URL {
  const text = String(url);
  const parsed = isWebUrl(text) && URL.canParse(text) ? new URL(text) : undefined;
  const isObject =
    parsed !== undefined && parsed.pathname.length > 1 && !parsed.pathname.endsWith("/");
  if (isObject && parsed.search === "" && parsed.hash === "" && parsed.username === "")
    return parsed;
  const received = parsed === undefined ? printable(text) : publicUrl(parsed);
  throw new ArgumentError(
    "url",
    "an object's http:// or https:// address, without query, fragment and user",
    received,
  );
}
