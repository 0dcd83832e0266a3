import { describe, expect, it } from "vitest";
import { ArgumentError, StorageError } from "../../src/foundation/errors.ts";
import { HttpStatusError } from "../../src/web/http-errors.ts";
import { type MultipartSinkOptions, multipartSink } from "../../src/web/sinks/multipart-sink.ts";
import type { S3TargetOptions } from "../../src/web/sinks/s3-options.ts";
import { s3Target } from "../../src/web/sinks/s3-target.ts";
import { errorOf, sourceOf } from "../checkpoint/streams.ts";
import { type FakeS3, fakeS3, refuse } from "./fake-s3.ts";
import { closedPort, patternBytes } from "./server.ts";

const MIB = 1 << 20;
const bytes = patternBytes(23 * MIB + 17);
const KEY = "/bucket/models/a b.safetensors";
const options = { fetch: (url: string, init: RequestInit) => fetch(url, init), backoffMs: 1 };

function sinkOf(
  { origin }: { readonly origin: string },
  more: Partial<S3TargetOptions> = {},
  sink: MultipartSinkOptions = {},
) {
  const target = s3Target(`${origin}${KEY}`, { ...options, ...more });
  return multipartSink(target, { partBytes: 5 * MIB, ...sink });
}

function inChunks(of: Uint8Array): ReadableStream<Uint8Array> {
  return sourceOf(of, 300_000).stream;
}

function expectWhole(s3: FakeS3): void {
  expect(s3.objects.get(KEY)?.bytes.equals(bytes)).toBe(true);
  expect(s3.uploads.size).toBe(0);
}

function expectNothing(s3: FakeS3): void {
  expect(s3.objects.size).toBe(0);
  expect(s3.uploads.size).toBe(0);
}

describe("an object of S3", () => {
  it("is there whole when the stream is closed", async () => {
    const s3 = await fakeS3();
    const headers = { "content-type": "application/x-weights", "x-amz-meta-from": "here" };
    await inChunks(bytes).pipeTo(sinkOf(s3, { headers }, { concurrency: 3 }));
    expectWhole(s3);
    expect(s3.objects.get(KEY)?.headers).toMatchObject(headers);
    expect(s3.requests.map(({ method }) => method).sort()).toEqual([
      ...["POST", "POST", "PUT", "PUT", "PUT", "PUT", "PUT"],
    ]);
    expect(s3.mostAtOnce).toBeGreaterThan(1);
    expect(s3.mostAtOnce).toBeLessThanOrEqual(3);
  });

  it("may be empty", async () => {
    const s3 = await fakeS3();
    await sinkOf(s3).close();
    expect(s3.objects.get(KEY)?.bytes.byteLength).toBe(0);
  });

  it("is not told of before bytes came", async () => {
    const s3 = await fakeS3();
    await sinkOf(s3).abort(new Error("enough"));
    expect(s3.requests).toHaveLength(0);
  });

  it("outlives servers that fail now and then", async () => {
    const s3 = await fakeS3(({ kind, part, count }, response) => {
      if (count > 0) return false;
      if (kind === "begin") refuse(response, 503, "SlowDown");
      else if (kind === "part" && part === 2) refuse(response, 500, "InternalError");
      else if (kind === "part" && part === 3) response.socket?.destroy();
      else if (kind === "part" && part === 4) refuse(response, 400, "RequestTimeout");
      else if (kind === "complete") refuse(response, 200, "InternalError");
      else return false;
      return true;
    });
    await inChunks(bytes).pipeTo(sinkOf(s3));
    expectWhole(s3);
  });

  it("is nowhere when a part is refused for good, and the error says which", async () => {
    const s3 = await fakeS3(({ kind, part }, response) => {
      if (kind !== "part" || part !== 2) return false;
      refuse(response, 403, "AccessDenied");
      return true;
    });
    const error = await errorOf(inChunks(bytes).pipeTo(sinkOf(s3)));
    expect(error).toBeInstanceOf(HttpStatusError);
    expect(error.message).toContain("/bucket/models/a%20b.safetensors, part 2: access is refused");
    expect(error.message).toContain("(status 403, AccessDenied: as told)");
    expectNothing(s3);
  });

  it("is nowhere when attempts run out", async () => {
    const s3 = await fakeS3(({ kind, part }, response) => {
      if (kind !== "part" || part !== 1) return false;
      refuse(response, 503, "SlowDown");
      return true;
    });
    const error = await errorOf(inChunks(bytes).pipeTo(sinkOf(s3, { retries: 2 })));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toMatch(
      /cannot write .*, part 1: .*status 503, SlowDown.*after 3 attempts/,
    );
    expectNothing(s3);
  });

  it("is nowhere when its completion fails inside an answer of 200", async () => {
    const s3 = await fakeS3(({ kind }, response) => {
      if (kind !== "complete") return false;
      refuse(response, 200, "InvalidPartOrder");
      return true;
    });
    const error = await errorOf(inChunks(bytes).pipeTo(sinkOf(s3)));
    expect(error.message).toContain("InvalidPartOrder");
    expectNothing(s3);
  });

  it("may be there when the answer to its completion was lost, and the error says so", async () => {
    const s3 = await fakeS3(({ kind, count, goOn }, response) => {
      if (kind !== "complete" || count > 0) return false;
      response.end = (() => response.socket?.destroy()) as never;
      goOn();
      return true;
    });
    const error = await errorOf(inChunks(bytes).pipeTo(sinkOf(s3)));
    expect(error.message).toContain("it may be complete. Look at the object");
    expect(s3.objects.get(KEY)?.bytes.equals(bytes)).toBe(true);
  });

  it("is nowhere when the source fails half-way", async () => {
    const s3 = await fakeS3();
    const broken = { error: new Error("the source broke") };
    const source = sourceOf(bytes.subarray(0, 12 * MIB), MIB, broken).stream;
    const error = await errorOf(source.pipeTo(sinkOf(s3)));
    expect(error.message).toBe("the source broke");
    expectNothing(s3);
  });

  it("is nowhere after an abort, though a part hangs", async () => {
    const controller = new AbortController();
    const s3 = await fakeS3(({ kind, part }) => {
      if (kind !== "part" || part !== 2) return false;
      setTimeout(() => controller.abort(new Error("enough")), 20);
      return true;
    });
    const { signal } = controller;
    const error = await errorOf(inChunks(bytes).pipeTo(sinkOf(s3, {}, { signal })));
    expect(error.message).toBe("enough");
    expectNothing(s3);
  });

  it("is nowhere after the pipe's own abort, while source and part hang", async () => {
    const controller = new AbortController();
    const s3 = await fakeS3(({ kind, part }) => {
      if (kind !== "part" || part !== 2) return false;
      setTimeout(() => controller.abort(new Error("enough")), 20);
      return true;
    });
    const { stream } = sourceOf(bytes.subarray(0, 12 * MIB), MIB, { stalls: true });
    const { signal } = controller;
    const error = await errorOf(stream.pipeTo(sinkOf(s3), { signal }));
    expect(error.message).toBe("enough");
    expectNothing(s3);
  });

  it("tries anew when a request hangs", async () => {
    const s3 = await fakeS3(
      ({ kind, part, count }) => kind === "part" && part === 1 && count === 0,
    );
    await inChunks(bytes).pipeTo(sinkOf(s3, { timeoutMs: 2000 }));
    expectWhole(s3);
  });

  it("tells when it could not clean up", async () => {
    const s3 = await fakeS3(({ kind, part }, response) => {
      if (kind !== "abort" && part !== 2) return false;
      refuse(response, 403, "AccessDenied");
      return true;
    });
    const error = await errorOf(inChunks(bytes).pipeTo(sinkOf(s3)));
    expect(error.message).toContain("part 2: access is refused");
    expect(error.message).toContain("Its parts could not be removed either");
    expect(error.cause).toBeInstanceOf(HttpStatusError);
  });

  it("does not retry a host that is not there", async () => {
    const origin = `http://127.0.0.1:${await closedPort()}`;
    const error = await errorOf(inChunks(bytes).pipeTo(sinkOf({ origin })));
    expect(error.message).toContain("cannot write http://127.0.0.1:");
    expect(error.message).toContain("refuses connections");
  });

  it("must be at an address", () => {
    for (const url of [
      "s3://bucket/key",
      "https://host",
      "https://host/a?x=1",
      "https://host/a/",
    ]) {
      expect(() => s3Target(url, options), url).toThrow(ArgumentError);
    }
    expect(() => s3Target("https://user:secret@host/a", options)).toThrow(
      /received "https:\/\/host\/a"/,
    );
    expect(() => s3Target("https://host/a", {} as never)).toThrow(/fetch: expected a function/);
    expect(() => s3Target("https://host/a", { ...options, retries: -1 })).toThrow(/retries/);
  });

  it("is no web page", async () => {
    const s3 = await fakeS3((_asked, response) => {
      response.end("<html>welcome</html>");
      return true;
    });
    const error = await errorOf(inChunks(bytes).pipeTo(sinkOf(s3)));
    expect(error.message).toContain("has no UploadId");
  });
});
