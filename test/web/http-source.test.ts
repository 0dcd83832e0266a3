import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/foundation/errors.ts";
import { type HttpSource, httpSource } from "../../src/web/http-source.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { sameBytes } from "../kernels/calls.ts";
import { patternBytes, sendFile, serve } from "./server.ts";

const MIB = 1 << 20;
const small = patternBytes(300_000);
const large = patternBytes(40 * MIB + 12_345);

async function readAt(source: HttpSource, position: number, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  await source.read(target, position);
  return target;
}

async function expectBytes(
  source: HttpSource,
  expected: Uint8Array,
  position: number,
  length: number,
): Promise<void> {
  const bytes = await readAt(source, position, length);
  sameBytes(bytes, expected.subarray(position, position + length), `bytes at ${position}`);
}

describe("a file at an address", () => {
  it("is opened by one short request for its first bytes", async () => {
    const server = await serve((request, response) => sendFile(request, response, large));
    const source = await httpSource(`${server.origin}/model.safetensors`);
    expect(source.size).toBe(large.byteLength);
    expect(source.hasRanges).toBe(true);
    expect(source.name).toBe(`${server.origin}/model.safetensors`);
    await expectBytes(source, large, 0, 8);
    await expectBytes(source, large, 8, 60_000);
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]?.method).toBe("GET");
    expect(server.requests[0]?.headers.range).toBe("bytes=0-65535");
    await source.close();
  });

  it("is read from front to back in a few requests, not one a tile", async () => {
    const server = await serve((request, response) => sendFile(request, response, large));
    const source = await httpSource(`${server.origin}/model`);
    for (let at = 0; at < large.byteLength; at += MIB) {
      await expectBytes(source, large, at, Math.min(MIB, large.byteLength - at));
    }
    expect(server.requests.length).toBeLessThanOrEqual(4);
    // Each byte was asked for once.
    expect(server.requests.map(({ isCut }) => isCut)).not.toContain(true);
    await source.close();
  });

  it("is read over gaps without a request", async () => {
    const server = await serve((request, response) => sendFile(request, response, large));
    const source = await httpSource(`${server.origin}/model`);
    for (let at = 0; at < 30 * MIB; at += MIB + 20_000) await expectBytes(source, large, at, MIB);
    expect(server.requests.length).toBeLessThanOrEqual(4);
    await source.close();
  });

  it("is asked anew after a jump, and the old answer is cut off when too many are open", async () => {
    const server = await serve((request, response) => sendFile(request, response, large));
    const source = await httpSource(`${server.origin}/model`);
    for (const at of [0, 18, 6, 24, 12, 30]) {
      await expectBytes(source, large, at * MIB, 2 * MIB);
      await expectBytes(source, large, (at + 2) * MIB, MIB);
    }
    expect(server.requests).toHaveLength(1 + 2 * 6);
    await expect.poll(() => server.requests.filter(({ isCut }) => isCut).length).toBe(2);
    await source.close();
    await expect.poll(() => server.requests.filter(({ isCut }) => isCut).length).toBe(6);
  });

  it("is read at several places in turn without asking anew each time", async () => {
    const server = await serve((request, response) => sendFile(request, response, large));
    const source = await httpSource(`${server.origin}/model`);
    for (let step = 0; step < 8 * MIB; step += MIB / 4) {
      for (const start of [0, 12 * MIB, 24 * MIB]) {
        await expectBytes(source, large, start + step, MIB / 4);
      }
    }
    expect(server.requests.length).toBeLessThanOrEqual(1 + 3 * 4);
    await source.close();
  });

  it("is read anywhere, in any order, by reads at once", async () => {
    const server = await serve((request, response) => sendFile(request, response, small));
    const source = await httpSource(`${server.origin}/model`);
    let state = 7;
    const next = (limit: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state % limit;
    };
    const reads = Array.from({ length: 300 }, () => {
      const at = next(small.byteLength);
      return expectBytes(source, small, at, next(Math.min(50_000, small.byteLength - at + 1)));
    });
    await Promise.all(reads);
    await source.close();
  });

  it("ends where it ends", async () => {
    const server = await serve((request, response) => sendFile(request, response, small));
    const source = await httpSource(`${server.origin}/model`);
    await expectBytes(source, small, small.byteLength - 10, 10);
    const error = await errorOf(readAt(source, small.byteLength - 10, 11));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(/the file ends here/);
    await source.close();
  });

  it.each([
    ["answers 416 for its first bytes", true],
    ["ignores ranges", false],
  ])("may be empty, on a server that %s", async (_, ranges) => {
    const empty = new Uint8Array(0);
    const server = await serve((request, response) => {
      sendFile(request, response, empty, { ranges });
    });
    const source = await httpSource(`${server.origin}/model`);
    expect(source.size).toBe(0);
    await source.read(new Uint8Array(0), 0);
    await source.close();
  });

  it("gets the headers that were given, and asks for no compression", async () => {
    const server = await serve((request, response) => sendFile(request, response, small));
    const source = await httpSource(`${server.origin}/model`, {
      token: "secret",
      headers: { "X-Key": "value" },
    });
    await expectBytes(source, small, 200_000, 10);
    expect(server.requests).toHaveLength(2);
    for (const { headers } of server.requests) {
      expect(headers.authorization).toBe("Bearer secret");
      expect(headers["x-key"]).toBe("value");
      expect(headers["accept-encoding"]).toMatch(/^identity(, identity)?$/);
    }
    await source.close();
  });
});

describe("a server that ignores ranges", () => {
  const wholeFile = (bytes: Uint8Array) =>
    serve((request, response) => sendFile(request, response, bytes, { ranges: false }));

  it("is read from front to back, over gaps of any size, in one request", async () => {
    const server = await wholeFile(large);
    const source = await httpSource(`${server.origin}/model`);
    expect(source.hasRanges).toBe(false);
    expect(source.size).toBe(large.byteLength);
    for (const at of [0, 8, 100_000, 20 * MIB, 40 * MIB]) await expectBytes(source, large, at, 7);
    expect(server.requests).toHaveLength(1);
    await source.close();
  });

  it("cannot be read backwards, and the error says what to do", async () => {
    const server = await wholeFile(large);
    const source = await httpSource(`${server.origin}/model`);
    await readAt(source, 20 * MIB, 100);
    const error = await errorOf(readAt(source, 10 * MIB, 100));
    expect(error.message).toMatch(
      /model: the server ignores ranges, .* byte 10485760 is wanted after byte 20971620\. Download/,
    );
    await source.close();
  });

  it("can be read from the beginning again", async () => {
    const server = await wholeFile(large);
    const source = await httpSource(`${server.origin}/model`);
    await expectBytes(source, large, 20 * MIB, 100);
    await expectBytes(source, large, 0, 100);
    await expectBytes(source, large, 200, MIB);
    expect(server.requests).toHaveLength(2);
    await source.close();
  });

  it("gives a short file that can be read in any order", async () => {
    const bytes = patternBytes(50_000);
    const server = await wholeFile(bytes);
    const source = await httpSource(`${server.origin}/model`);
    for (const at of [40_000, 10, 30_000, 0]) await expectBytes(source, bytes, at, 1000);
    expect(server.requests).toHaveLength(1);
    await source.close();
  });

  it("must tell a size", async () => {
    const server = await serve((_, response) => {
      response.writeHead(200);
      response.write(small);
      response.end(small);
    });
    const error = await errorOf(httpSource(`${server.origin}/model`));
    expect(error.message).toMatch(/neither ranges nor a size; .* curl -L <url> \| quantwise/);
  });
});
