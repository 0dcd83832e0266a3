/** An error with a status of HTTP. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Passes bytes on up to a limit: what the source announces is checked, and what it sends is counted. */
export function atMost(limit, source) {
  const tooLarge = () => new HttpError(413, `the file has more than ${limit} bytes`);
  if (Number(source.headers.get("content-length") ?? 0) > limit) {
    source.body.cancel();
    throw tooLarge();
  }
  let count = 0;
  return new TransformStream({
    transform(chunk, controller) {
      count += chunk.byteLength;
      if (count > limit) throw tooLarge();
      controller.enqueue(chunk);
    },
  });
}

/** Waits for the first chunk, so that an error before it can still become a status. */
export async function begun(readable) {
  const reader = readable.getReader();
  let next = await reader.read();
  return new ReadableStream(
    {
      async pull(controller) {
        next ??= await reader.read();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
        next = undefined;
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
