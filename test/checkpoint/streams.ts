/** Byte streams for tests: chunked sources that tell what was read of them, and collectors. */

export interface Source {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes that were handed out so far. */
  readonly given: () => number;
  /** Why it was cancelled; undefined when it was not. */
  readonly cancelled: () => { readonly reason: unknown } | undefined;
}

export interface SourceOptions {
  /** Ends with this error instead of closing. */
  readonly error?: Error;
  /** Neither closes nor fails at its end: a peer that went silent. */
  readonly stalls?: boolean;
}

/** Hands out `bytes` in chunks of `chunkBytes`, one for each pull. */
export function sourceOf(
  bytes: Uint8Array,
  chunkBytes: number,
  { error, stalls }: SourceOptions = {},
): Source {
  let at = 0;
  let cancelled: { readonly reason: unknown } | undefined;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at < bytes.byteLength) {
          const end = Math.min(bytes.byteLength, at + chunkBytes);
          controller.enqueue(bytes.slice(at, end));
          at = end;
          return undefined;
        }
        if (error !== undefined) controller.error(error);
        else if (stalls === true) return new Promise<void>(() => {});
        else controller.close();
        return undefined;
      },
      cancel(reason) {
        cancelled = { reason };
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, given: () => at, cancelled: () => cancelled };
}

export async function collect(
  stream: ReadableStream<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const whole = new Uint8Array(chunks.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

/** The error that a promise ends with. */
export async function errorOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error, there was none");
}

/** Lets everything happen that is already under way. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
