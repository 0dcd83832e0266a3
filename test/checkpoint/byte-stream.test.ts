import { describe, expect, it } from "vitest";
import { ByteStream } from "../../src/checkpoint/byte-stream.ts";
import { quantizeForward } from "../../src/checkpoint/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import { LLAMA, quantized, SOURCE } from "./quantized-streams.ts";
import { errorOf, settled } from "./streams.ts";

/** A byte stream that fills its reader's buffers, at most `chunkBytes` at once. */
function byteStream(bytes: Uint8Array, chunkBytes: number) {
  const seen = { buffers: 0, cancelled: undefined as unknown };
  let at = 0;
  const stream = new ReadableStream({
    type: "bytes",
    pull(controller) {
      const { byobRequest } = controller;
      const view = byobRequest?.view;
      if (byobRequest == null || view == null) throw new Error("the reader brings no buffer");
      seen.buffers++;
      if (at === bytes.byteLength) {
        controller.close();
        byobRequest.respond(0);
        return;
      }
      const piece = bytes.subarray(at, at + Math.min(chunkBytes, view.byteLength));
      const room = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      // What was here before is overwritten in any case, also behind the piece.
      room.fill(0xee);
      room.set(piece);
      at += piece.byteLength;
      byobRequest.respond(piece.byteLength);
    },
    cancel(reason) {
      seen.cancelled = reason;
    },
  });
  return { stream, seen };
}

async function forward(input: ByteStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const emit = async (bytes: Uint8Array) => {
    chunks.push(bytes.slice());
  };
  await quantizeForward(input, emit, { model: LLAMA });
  return new Uint8Array(Buffer.concat(chunks));
}

describe("a byte stream", () => {
  it.each([1, 7, 4096, 1 << 20])(
    "is read in one buffer, filled by up to %i bytes",
    async (size) => {
      const { stream, seen } = byteStream(SOURCE, size);
      const input = new ByteStream(stream, "stream");
      const expected = await quantized(SOURCE, { model: LLAMA });
      sameBytes(await forward(input), expected, "the output");
      expect(input.position).toBe(SOURCE.byteLength);
      expect(seen.buffers).toBeGreaterThan(1);
    },
  );

  it("that ends early is an error at its place", async () => {
    const input = new ByteStream(byteStream(SOURCE.subarray(0, 50_000), 999).stream, "stream");
    const error = await errorOf(forward(input));
    expect(error.message).toContain("stream, tensor");
    expect(error.message).toContain("byte 50000");
  });

  it("is cancelled by the signal", async () => {
    const controller = new AbortController();
    const { stream, seen } = byteStream(SOURCE, 1000);
    const input = new ByteStream(stream, "stream", controller.signal);
    await input.fill(new Uint8Array(10));
    controller.abort("enough");
    await settled();
    expect(seen.cancelled).toBe("enough");
    expect(await errorOf(input.fill(new Uint8Array(2000)))).toBe("enough");
  });
});
