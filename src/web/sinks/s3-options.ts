/** What may be said about uploads to S3. */

import type { RetryOptions } from "../retry.ts";

export interface S3TargetOptions extends RetryOptions {
  /** Signs and sends: `client.fetch` of aws4fetch's `AwsClient`, bound, with `retries: 0`. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** More headers of the object, as `content-type`, `cache-control`, `x-amz-meta-…`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds after which a request counts as lost. @defaultValue 300 000 */
  readonly timeoutMs?: number | undefined;
}
