import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/foundation/errors.ts";
import { multipartSink } from "../../src/web/sinks/multipart-sink.ts";
import type { MultipartTarget } from "../../src/web/sinks/multipart-target.ts";
import { partSizeOf } from "../../src/web/sinks/part-size.ts";
import { type R2MultipartBucket, r2Target } from "../../src/web/sinks/r2-target.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { sameBytes } from "../kernels/calls.ts";
import { patternBytes } from "./server.ts";

const MIB = 1 << 20;

/** A store with small parts; `before` may wait or throw. */
function memoryTarget(before: (number: number) => Promise<void> = async () => {}) {
  const seen = { parts: [] as Uint8Array[], begun: 0, isComplete: false, aborted: 0, running: 0 };
  const target: MultipartTarget = {
    name: "memory",
    minPartBytes: 10,
    maxPartBytes: 1000,
    maxParts: 8,
    async begin() {
      seen.begun++;
      return {
        async uploadPart(number, bytes) {
          seen.running++;
          try {
            await before(number);
            seen.parts[number - 1] = bytes.slice();
          } finally {
            seen.running--;
          }
        },
        async complete() {
          expect(seen.running).toBe(0);
          seen.isComplete = true;
        },
        async abort() {
          expect(seen.running).toBe(0);
          seen.aborted++;
        },
      };
    },
  };
  return { target, seen };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

describe("multipartSink", () => {
  it.each([0, 1, 9, 10, 11, 20, 35, 80])("uploads %i bytes in equal parts", async (length) => {
    const { target, seen } = memoryTarget();
    const bytes = patternBytes(length);
    for (const step of [1, 7, 10, 100]) {
      seen.parts.length = 0;
      const writer = multipartSink(target, { partBytes: 10 }).getWriter();
      for (let at = 0; at < length; at += step) await writer.write(bytes.subarray(at, at + step));
      await writer.close();
      sameBytes(joined(seen.parts), bytes, `steps of ${step}`);
      const sizes = seen.parts.map(({ byteLength }) => byteLength);
      expect(sizes.slice(0, -1).every((size) => size === 10)).toBe(true);
      expect(sizes).toHaveLength(Math.max(1, Math.ceil(length / 10)));
    }
    expect(seen.isComplete).toBe(true);
    expect(seen.aborted).toBe(0);
  });

  it("keeps parts whole though they end out of order, and holds the writer back", async () => {
    let most = 0;
    const { target, seen } = memoryTarget(async (number) => {
      most = Math.max(most, seen.running);
      await new Promise((done) => setTimeout(done, number % 2 === 1 ? 30 : 5));
    });
    const bytes = patternBytes(75);
    const writer = multipartSink(target, { partBytes: 10, concurrency: 3 }).getWriter();
    await writer.write(bytes.subarray(0, 60));
    // Six parts are full: the last is held, at most three are under way.
    expect(seen.parts.filter((part) => part !== undefined).length).toBeGreaterThanOrEqual(2);
    await writer.write(bytes.subarray(60));
    await writer.close();
    sameBytes(joined(seen.parts), bytes, "the object");
    expect(most).toBe(3);
  });

  it("fails while nobody writes", async () => {
    const { target, seen } = memoryTarget(() => Promise.reject(new Error("no room")));
    const writer = multipartSink(target, { partBytes: 10 }).getWriter();
    await writer.write(new Uint8Array(11));
    expect((await errorOf(writer.closed)).message).toBe("no room");
    expect(seen.aborted).toBe(1);
    expect(seen.isComplete).toBe(false);
  });

  it("refuses more bytes than its parts can hold", async () => {
    const { target, seen } = memoryTarget();
    const writer = multipartSink(target, { partBytes: 10 }).getWriter();
    const error = await errorOf(writer.write(new Uint8Array(91)).then(() => writer.close()));
    expect(error.message).toContain("longer than 80 bytes, 8 parts of 10; pass its size");
    expect(seen.aborted).toBe(1);
  });

  it("does not begin with a signal that is aborted", async () => {
    const { target, seen } = memoryTarget();
    const signal = AbortSignal.abort(new Error("too late"));
    const sink = multipartSink(target, { partBytes: 10, signal });
    expect((await errorOf(sink.getWriter().closed)).message).toBe("too late");
    expect(seen.begun).toBe(0);
  });

  it("takes bytes alone", async () => {
    const { target } = memoryTarget();
    const error = await errorOf(
      multipartSink(target, { partBytes: 10 })
        .getWriter()
        .write("text" as never),
    );
    expect(error).toBeInstanceOf(ArgumentError);
  });

  it("chooses parts that the object fits into", () => {
    const store = { name: "", minPartBytes: 5 * MIB, maxPartBytes: 5 << 30, maxParts: 10_000 };
    const target = store as unknown as MultipartTarget;
    Object.assign(store, { maxPartBytes: 5 * 2 ** 30 });
    expect(partSizeOf(target, {})).toBe(8 * MIB);
    expect(partSizeOf(target, { expectedBytes: 1 })).toBe(8 * MIB);
    expect(partSizeOf(target, { expectedBytes: 200e9 })).toBe(20 * MIB);
    expect(partSizeOf(target, { partBytes: 5 * MIB, expectedBytes: 50e9 })).toBe(5 * MIB);
    expect(() => partSizeOf(target, { partBytes: 5 * MIB, expectedBytes: 60e9 })).toThrow(
      /partBytes: expected at least 6000000 bytes/,
    );
    expect(() => partSizeOf(target, { partBytes: MIB })).toThrow(ArgumentError);
    expect(() => partSizeOf(target, { expectedBytes: -1 })).toThrow(ArgumentError);
    expect(() => multipartSink(target, { concurrency: 0 })).toThrow(ArgumentError);
  });
});

describe("r2Target", () => {
  /** R2's answers, as its documentation spells them; the real one is run in test/runtimes. */
  function bucketThatSays(message: string, times: number) {
    const calls: string[] = [];
    const bucket: R2MultipartBucket = {
      async createMultipartUpload() {
        return {
          async uploadPart(partNumber) {
            calls.push(`part ${partNumber}`);
            if (calls.length <= times) throw new Error(message);
            return { partNumber, etag: "e" };
          },
          complete: async () => calls.push("complete"),
          abort: async () => {
            calls.push("abort");
          },
        };
      },
    };
    return { bucket, calls };
  }
  const busy = "uploadPart: We encountered an internal error. Please try again. (10001)";

  it("tries again what R2 says may be tried again", async () => {
    const { bucket, calls } = bucketThatSays(busy, 2);
    const writer = multipartSink(r2Target(bucket, "key", { backoffMs: 1 })).getWriter();
    await writer.write(new Uint8Array(5));
    await writer.close();
    expect(calls).toEqual(["part 1", "part 1", "part 1", "complete"]);
  });

  it("gives up at once otherwise, and names the object and the part", async () => {
    const { bucket, calls } = bucketThatSays("uploadPart: You are not allowed. (10002)", 9);
    const writer = multipartSink(r2Target(bucket, "key")).getWriter();
    await writer.write(new Uint8Array(5));
    const error = await errorOf(writer.close());
    expect(error.message).toBe(
      "cannot write R2 object key, part 1: uploadPart: You are not allowed. (10002)",
    );
    expect(calls).toEqual(["part 1", "abort"]);
  });
});
