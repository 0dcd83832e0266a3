/** A `ByteSource` as a stream: of an address, one that survives lost connections. */

import type { ByteSource } from "../foundation/byte-source.ts";

const CHUNK_BYTES = 1 << 18;

/** All bytes from the first on; nothing is read before somebody asks. */
export function sourceStream(source: ByteSource): ReadableStream<Uint8Array<ArrayBuffer>> {
  let position = 0;
  return new ReadableStream(
    {
      async pull(controller) {
        const bytes = new Uint8Array(Math.min(CHUNK_BYTES, source.size - position));
        if (bytes.byteLength > 0) {
          await source.read(bytes, position);
          position += bytes.byteLength;
          controller.enqueue(bytes);
        }
        if (position === source.size) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
