/** Servers that misbehave on purpose: what is lost is taken up again, what is wrong is refused. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { StorageError } from "../../src/foundation/errors.ts";
import type { HttpOptions } from "../../src/web/http-options.ts";
import { type HttpSource, httpSource } from "../../src/web/http-source.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { sameBytes } from "../kernels/calls.ts";
import {
  closedPort,
  dropAfter,
  type FileOptions,
  type Handler,
  patternBytes,
  rangeOf,
  sendFile,
  serve,
  type TestServer,
} from "./server.ts";

const bytes = patternBytes(3_000_000);
const QUICK: HttpOptions = { backoffMs: 1 };

/** Reads all but the first piece, in tiles. */
async function readAll(source: HttpSource): Promise<Uint8Array> {
  const all = new Uint8Array(source.size);
  for (let at = 0; at < all.byteLength; at += 100_000) {
    await source.read(all.subarray(at, at + 100_000), at);
  }
  await source.close();
  return all;
}

async function expectWhole(server: TestServer, options: HttpOptions = QUICK): Promise<void> {
  const source = await httpSource(`${server.origin}/model`, options);
  sameBytes(await readAll(source), bytes, "all bytes");
}

async function refusal(server: TestServer, options: HttpOptions = QUICK): Promise<Error> {
  const error = await errorOf(
    (async () => readAll(await httpSource(`${server.origin}/model`, options)))(),
  );
  expect(error).toBeInstanceOf(StorageError);
  expect(error.message).toContain(`cannot read ${server.origin}/model: `);
  return error;
}

/** Good answers, but for the requests of these numbers. */
function spoiled(
  which: (count: number) => boolean,
  spoil: Handler,
  options?: FileOptions,
): Handler {
  return (request, response, count) => {
    if (which(count)) spoil(request, response, count);
    else sendFile(request, response, bytes, options);
  };
}

describe("a connection that is lost", () => {
  it("in the middle of a body is taken up there, if the file is the same", async () => {
    const server = await serve(
      spoiled(
        (count) => count === 1,
        (request, response) => dropAfter(request, response, bytes, 234_567),
      ),
    );
    await expectWhole(server);
    const [, cut, next] = server.requests;
    const { start } = rangeOf({ headers: cut?.headers } as IncomingMessage, bytes.byteLength) ?? {};
    expect(next?.headers.range).toMatch(new RegExp(`^bytes=${(start as number) + 234_567}-`));
    expect(next?.headers["if-range"]).toBe('"v1"');
  });

  it("again and again is taken up as long as bytes come", async () => {
    const server = await serve((request, response) => dropAfter(request, response, bytes, 100_000));
    await expectWhole(server, { ...QUICK, retries: 1 });
    expect(server.requests.length).toBeGreaterThanOrEqual(30);
  });

  it("before any answer is tried again", async () => {
    const server = await serve(
      spoiled(
        (count) => count % 2 === 0,
        (_, response) => response.destroy(),
      ),
    );
    await expectWhole(server);
  });

  it("while the file is opened is tried again", async () => {
    const server = await serve(
      spoiled(
        (count) => count < 2,
        (request, response) => dropAfter(request, response, bytes, 1000),
      ),
    );
    await expectWhole(server);
  });

  it("without end is given up, and the error tells how often it was tried", async () => {
    const server = await serve(
      spoiled(
        (count) => count > 0,
        (_, response) => response.destroy(),
      ),
    );
    const { message } = await refusal(server, { ...QUICK, retries: 3 });
    expect(message).toMatch(/the connection was lost .*\(after 4 attempts\); try again later/);
    expect(server.requests).toHaveLength(1 + 4);
  });

  it("on a server without ranges is begun anew and read over", async () => {
    const server = await serve((_, response, count) => {
      response.writeHead(200, { "content-length": bytes.byteLength, etag: '"v1"' });
      if (count > 0) response.end(bytes);
      else
        response.write(bytes.subarray(0, 1_234_567), () => setTimeout(() => response.destroy(), 5));
    });
    await expectWhole(server);
    expect(server.requests).toHaveLength(2);
  });
});

describe("a body", () => {
  it("that trickles is waited for", async () => {
    const server = await serve((request, response) => {
      const { start, end } = rangeOf(request, bytes.byteLength) as { start: number; end: number };
      response.writeHead(206, { "content-range": `bytes ${start}-${end - 1}/${bytes.byteLength}` });
      const step = Math.ceil((end - start) / 20);
      let at = start;
      const timer = setInterval(() => {
        if (at >= end) {
          clearInterval(timer);
          response.end();
        } else response.write(bytes.subarray(at, Math.min(end, at + step)));
        at += step;
      }, 10);
    });
    await expectWhole(server, { ...QUICK, stallMs: 2000 });
  });

  it("that goes silent is asked for anew where it stopped", async () => {
    const server = await serve(
      spoiled(
        (count) => count === 1,
        (request, response) => {
          const { start, end } = rangeOf(request, bytes.byteLength) as {
            start: number;
            end: number;
          };
          const range = `bytes ${start}-${end - 1}/${bytes.byteLength}`;
          response.writeHead(206, { "content-range": range, etag: '"v1"' });
          response.write(bytes.subarray(start, start + 50_000));
        },
      ),
    );
    await expectWhole(server, { ...QUICK, stallMs: 200 });
    expect(server.requests[1]?.isCut).toBe(true);
  });

  it("that never comes is given up", async () => {
    const server = await serve(() => {});
    const { message } = await refusal(server, { ...QUICK, stallMs: 50, retries: 1 });
    expect(message).toMatch(/nothing came for 0.05 s \(after 2 attempts\)/);
  });

  /** A partial answer of a length that nothing tells beforehand. */
  const withoutLength = (request: IncomingMessage, response: ServerResponse, change: number) => {
    const { start, end } = rangeOf(request, bytes.byteLength) as { start: number; end: number };
    const range = `bytes ${start}-${end - 1}/${bytes.byteLength}`;
    response.writeHead(206, { "content-range": range, etag: '"v1"' });
    response.end(
      Buffer.concat([bytes.subarray(start, end), new Uint8Array(10)]).subarray(
        0,
        end - start + change,
      ),
    );
  };

  it("that ends too early without a word is completed", async () => {
    const server = await serve(
      spoiled(
        (count) => count < 2,
        (request, response) => withoutLength(request, response, -10),
      ),
    );
    await expectWhole(server);
  });

  it("that is longer than it says is refused", async () => {
    const server = await serve((request, response) => withoutLength(request, response, 10));
    const { message } = await refusal(server, { ...QUICK, retries: 1 });
    expect(message).toContain("the server sends more bytes than it said");
  });

  it("that is compressed though nobody asked is refused", async () => {
    const headers = { "content-encoding": "gzip" };
    const server = await serve((request, response) => {
      sendFile(request, response, bytes, { headers });
    });
    const { message } = await refusal(server);
    expect(message).toMatch(/the server compresses it \(gzip\) .* sizes and ranges/);
    expect(server.requests).toHaveLength(1);
  });

  it("that is a web page is refused", async () => {
    const headers = { "content-type": "text/html; charset=utf-8" };
    const server = await serve((request, response) => {
      sendFile(request, response, bytes, { headers });
    });
    expect((await refusal(server)).message).toMatch(/it is a web page; expected the address/);
  });
});

describe("a file that changes while it is read", () => {
  const other = patternBytes(3_000_000).fill(1);

  it.each<[string, Handler]>([
    [
      "answers with all of the new one, to If-Range",
      (request, response) => sendFile(request, response, other, { etag: '"v2"' }),
    ],
    [
      "sends its part with another ETag",
      (request, response) => {
        delete request.headers["if-range"];
        sendFile(request, response, other, { etag: '"v2"' });
      },
    ],
    [
      "tells another size",
      (request, response) => sendFile(request, response, patternBytes(3_000_001), {}),
    ],
    [
      "is shorter now",
      (request, response) => sendFile(request, response, bytes.subarray(0, 10_000), {}),
    ],
    [
      "is shorter now, by its length",
      (_, response) => {
        response.writeHead(200, { "content-length": 5 });
        response.end("short");
      },
    ],
  ])("is refused when the server %s", async (_, spoil) => {
    const server = await serve(spoiled((count) => count > 0, spoil));
    const { message } = await refusal(server);
    expect(message).toMatch(
      /the file changed while it was read \(.* is another one\); start again/,
    );
    expect(server.requests).toHaveLength(2);
  });

  it("is told by its date where there is no ETag", async () => {
    const dates = ["Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"] as const;
    const server = await serve((request, response, count) => {
      if (count > 0) expect(request.headers["if-range"]).toBe(dates[0]);
      delete request.headers["if-range"];
      sendFile(request, response, bytes, {
        etag: "",
        lastModified: dates[count > 1 ? 1 : 0] as string,
      });
    });
    const { message } = await refusal(server);
    expect(message).toMatch(/the file changed while it was read \(its date/);
  });

  it("is no other one for a weak ETag, which If-Range may not have", async () => {
    const server = await serve((request, response) => {
      expect(request.headers["if-range"]).toBeUndefined();
      sendFile(request, response, bytes, { etag: 'W/"v1"' });
    });
    await expectWhole(server);
  });

  it("is told on a server without ranges too", async () => {
    const server = await serve((_, response, count) => {
      response.writeHead(200, { "content-length": bytes.byteLength, etag: `"v${count}"` });
      response.write(bytes.subarray(0, 500_000), () => setTimeout(() => response.destroy(), 5));
    });
    expect((await refusal(server)).message).toMatch(/changed while it was read \(its ETag/);
  });
});

describe("an answer that makes no sense", () => {
  const answer =
    (headers: Record<string, string>, status = 206): Handler =>
    (_, response) => {
      response.writeHead(status, { etag: '"v1"', ...headers });
      response.end(bytes.subarray(0, 65_536));
    };

  it.each<[string, Handler, RegExp]>([
    ["no range", answer({}), /status 206 and no valid range/],
    ["a range of nonsense", answer({ "content-range": "bytes 9-3/5" }), /status 206 and no valid/],
    [
      "several ranges",
      answer({ "content-type": "multipart/byteranges; boundary=x" }),
      /status 206 and no valid range/,
    ],
    [
      "other bytes",
      answer({ "content-range": `bytes 0-65535/${bytes.byteLength}` }),
      /the server sends bytes 0 to 65535; asked for were 65536 to 589823/,
    ],
    [
      "more bytes",
      answer({ "content-range": `bytes 65536-${bytes.byteLength - 1}/${bytes.byteLength}` }),
      /the server sends bytes 65536 to 2999999; asked for were 65536 to 589823/,
    ],
    [
      "a length that is not the range's",
      answer({
        "content-range": `bytes 65536-589823/${bytes.byteLength}`,
        "content-length": "65536",
      }),
      /the server sends 65536 bytes and calls them 524288/,
    ],
    ["no content at all", answer({}, 204), /status 204 and no valid range/],
  ])("with %s is refused", async (_, spoil, expected) => {
    const server = await serve(spoiled((count) => count > 0, spoil));
    expect((await refusal(server)).message).toMatch(expected);
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    [{}, /Content-Range with the file's size; none is visible \(in a browser, CORS must expose it/],
    [{ "content-range": "bytes 0-65535/*" }, /with the file's size; bytes 0-65535\/\*/],
  ])("at the opening is refused: %s", async (headers, expected) => {
    const server = await serve(answer(headers as Record<string, string>));
    expect((await refusal(server)).message).toMatch(expected);
  });

  it("may be a shorter range than was asked for", async () => {
    const server = await serve((request, response) => {
      const range = rangeOf(request, bytes.byteLength);
      const { start } = range as { start: number };
      request.headers.range = `bytes=${start}-${start + 29_999}`;
      sendFile(request, response, bytes);
    });
    await expectWhole(server);
    expect(server.requests).toHaveLength(100);
  });
});

describe("a server that is busy", () => {
  it.each([
    [503, { "retry-after": "0" }],
    [429, { "retry-after": new Date(0).toUTCString() }],
    [500, {}],
    [502, {}],
    [504, { "retry-after": "nonsense" }],
    [408, {}],
    [520, {}],
  ])("with status %i is asked again", async (status, headers) => {
    const server = await serve(
      spoiled(
        (count) => count % 2 === 0,
        (_, response) => {
          response.writeHead(status, headers);
          response.end("busy");
        },
      ),
    );
    await expectWhole(server);
  });

  it("is left alone for as long as it asks", async () => {
    const times: number[] = [];
    const server = await serve((request, response, count) => {
      times.push(performance.now());
      if (count > 0) return sendFile(request, response, bytes);
      response.writeHead(503, { "retry-after": "1" });
      response.end();
    });
    await expectWhole(server);
    expect((times[1] as number) - (times[0] as number)).toBeGreaterThanOrEqual(990);
  });

  it("for too long is given up at once", async () => {
    const server = await serve((_, response) => {
      response.writeHead(429, { "retry-after": "3600" });
      response.end();
    });
    const { message } = await refusal(server);
    expect(message).toMatch(
      /too many requests \(status 429\), and asks to be left alone for 3600 s/,
    );
    expect(server.requests).toHaveLength(1);
  });

  it("for good is given up", async () => {
    const server = await serve((_, response) => {
      response.writeHead(500);
      response.end();
    });
    const { message } = await refusal(server, { ...QUICK, retries: 2 });
    expect(message).toMatch(
      /cannot answer now \(status 500\) \(after 3 attempts\); try again later/,
    );
    expect(server.requests).toHaveLength(3);
  });

  it("and ignores ranges now and then is asked again", async () => {
    const server = await serve(
      spoiled(
        (count) => count === 1,
        (request, response) => sendFile(request, response, bytes, { ranges: false }),
      ),
    );
    await expectWhole(server);
  });
});

describe("an address where nothing is", () => {
  it("is told at once, without waiting", async () => {
    const port = await closedPort();
    for (const [at, expected] of [
      [port, /the host refuses connections \(ECONNREFUSED\)$/],
      [1, /bad port$/],
    ] as const) {
      const url = `http://127.0.0.1:${at}/model`;
      const error = await errorOf(httpSource(url, { backoffMs: 100_000 }));
      expect(error).toBeInstanceOf(StorageError);
      expect(error.message).toMatch(expected);
    }
  });

  it("that Deno gives no access to is told at once too", async () => {
    const fetch = async () => {
      const message = 'Requires net access to "host:443", run again with the --allow-net flag';
      throw Object.assign(new Error(message), { name: "NotCapable" });
    };
    const error = await errorOf(httpSource("https://host/model", { fetch, backoffMs: 100_000 }));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toMatch(/^cannot read https:\/\/host\/model: Requires net access/);
  });

  it.each([
    [404, {}, /there is no such file \(status 404\)$/],
    [410, {}, /there is no such file \(status 410\)$/],
    [401, {}, /access is refused \(status 401\)\. Pass a token \(token, --token-file\)$/],
    [403, { "x-error-message": "Gated\u0085" }, /\(status 403, Gated\\u0085\)\. Pass/],
    [418, {}, /an unexpected answer \(status 418\)$/],
    [501, {}, /an unexpected answer \(status 501\)$/],
  ])("is told with status %i", async (status, headers, expected) => {
    const server = await serve((_, response) => {
      response.socket?.write(`HTTP/1.1 ${status} No\r\n`);
      for (const [name, value] of Object.entries(headers))
        response.socket?.write(`${name}: ${value}\r\n`, "latin1");
      response.socket?.end("content-length: 0\r\n\r\n");
    });
    expect((await refusal(server)).message).toMatch(expected);
    expect(server.requests).toHaveLength(1);
  });
});

describe("a connection that does not come about", () => {
  // Deno 2.9 says so; elsewhere there is a code.
  it.each([
    ["tcp connect error: Connection refused (os error 111)", /the host refuses connections/],
    [
      "dns error: failed to lookup address information: Name or service not known",
      /no host has that name/,
    ],
    ["invalid peer certificate: UnknownIssuer", /invalid peer certificate: UnknownIssuer/],
    ["received corrupt message of type InvalidContentType", /is it an http: address\?/],
  ])("is told at once in Deno's words, too: %s", async (words, expected) => {
    let count = 0;
    const fetch = async () => {
      count++;
      const message = `error sending request for url (http://host/model): client error (Connect): ${words}`;
      throw new TypeError("fetch failed", { cause: new Error(message) });
    };
    const error = await errorOf(httpSource("http://127.0.0.1:1/model", { ...QUICK, fetch }));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toMatch(expected);
    expect(count).toBe(1);
  });
});

describe("a job that is given up", () => {
  const silent: Handler = spoiled(
    (count) => count > 0,
    (request, response) => {
      const { start, end } = rangeOf(request, bytes.byteLength) as { start: number; end: number };
      response.writeHead(206, { "content-range": `bytes ${start}-${end - 1}/${bytes.byteLength}` });
      response.write(bytes.subarray(start, start + 1000));
    },
  );

  it("ends a read with the signal's reason, and the request", async () => {
    const server = await serve(silent);
    const controller = new AbortController();
    const source = await httpSource(`${server.origin}/model`, { signal: controller.signal });
    const reading = errorOf(source.read(new Uint8Array(5000), 100_000));
    await expect.poll(() => server.requests.length).toBe(2);
    const reason = new DOMException("interrupted", "AbortError");
    controller.abort(reason);
    expect(await reading).toBe(reason);
    await expect.poll(() => server.requests[1]?.isCut).toBe(true);
    expect(await errorOf(source.read(new Uint8Array(1), 0))).toBe(reason);
  });

  it("does not wait for the next attempt", async () => {
    const server = await serve((_, response) => response.destroy());
    const controller = new AbortController();
    const opening = errorOf(
      httpSource(`${server.origin}/model`, { signal: controller.signal, backoffMs: 100_000 }),
    );
    await expect.poll(() => server.requests.length).toBe(1);
    controller.abort();
    expect(await opening).toBe(controller.signal.reason);
  });

  it("before it begins asks nobody", async () => {
    const server = await serve(silent);
    const signal = AbortSignal.abort(new Error("never mind"));
    const error = await errorOf(httpSource(`${server.origin}/model`, { signal }));
    expect(error.message).toBe("never mind");
    expect(server.requests).toHaveLength(0);
  });

  it("by closing ends what is under way", async () => {
    const server = await serve(silent);
    const source = await httpSource(`${server.origin}/model`);
    const reading = errorOf(source.read(new Uint8Array(5000), 100_000));
    await expect.poll(() => server.requests.length).toBe(2);
    await source.close();
    expect((await reading).message).toMatch(/it was closed/);
    expect((await errorOf(source.read(new Uint8Array(1), 0))).message).toMatch(/it was closed/);
  });
});
