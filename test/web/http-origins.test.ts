/** Redirects, and to whom credentials are sent. Two servers on this machine are two origins. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { ArgumentError, StorageError } from "../../src/foundation/errors.ts";
import type { HttpOptions } from "../../src/web/http-options.ts";
import { httpSource } from "../../src/web/http-source.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { sameBytes } from "../kernels/calls.ts";
import { patternBytes, sendFile, serve, type TestServer } from "./server.ts";

const bytes = patternBytes(2_000_000);
const SECRETS: HttpOptions = {
  token: "hf_secret",
  headers: { "X-Api-Key": "key-secret", Cookie: "session=secret" },
  backoffMs: 1,
};

function redirect(
  response: ServerResponse,
  location: string | undefined,
  headers: Record<string, string> = {},
  status = 302,
): void {
  response.writeHead(status, location === undefined ? headers : { ...headers, location });
  response.end("see there");
}

async function readAll(url: string, options: HttpOptions): Promise<void> {
  const source = await httpSource(url, options);
  const all = new Uint8Array(source.size);
  for (let at = 0; at < all.byteLength; at += 100_000) {
    await source.read(all.subarray(at, at + 100_000), at);
  }
  await source.close();
  sameBytes(all, bytes, "all bytes");
}

const secretsOf = ({ headers }: { readonly headers: IncomingMessage["headers"] }) =>
  JSON.stringify(headers).match(/secret/g)?.length ?? 0;

describe("a redirect", () => {
  it("to another origin takes no credentials along, whatever they are", async () => {
    const cdn = await serve((request, response) => sendFile(request, response, bytes));
    const home = await serve((_, response) => redirect(response, `${cdn.origin}/blob?sig=1`));
    await readAll(`${home.origin}/model`, SECRETS);
    expect(home.requests.length).toBeGreaterThan(0);
    expect(home.requests.map(secretsOf)).toEqual(home.requests.map(() => 3));
    expect(cdn.requests.length).toBeGreaterThan(1);
    expect(cdn.requests.map(secretsOf)).toEqual(cdn.requests.map(() => 0));
  });

  it("to another port of the same host takes none along either", async () => {
    const cdn = await serve((request, response) => sendFile(request, response, bytes));
    const home = await serve((_, response) => redirect(response, `${cdn.origin}/blob`));
    expect(new URL(cdn.origin).hostname).toBe(new URL(home.origin).hostname);
    await readAll(`${home.origin}/model`, SECRETS);
    expect(cdn.requests.map(secretsOf)).toEqual(cdn.requests.map(() => 0));
  });

  it("back home does not bring them back", async () => {
    let homeOrigin = "";
    const middle = await serve((_, response) => redirect(response, `${homeOrigin}/elsewhere`));
    const home = await serve((request, response) => {
      if (request.url === "/model") redirect(response, `${middle.origin}/x`);
      else sendFile(request, response, bytes);
    });
    homeOrigin = home.origin;
    await readAll(`${home.origin}/model`, SECRETS);
    for (const seen of home.requests) expect(secretsOf(seen)).toBe(seen.path === "/model" ? 3 : 0);
    expect(middle.requests.map(secretsOf)).toEqual([0]);
  });

  it("within the origin keeps them, and its address may be relative", async () => {
    const home = await serve((request, response) => {
      if (request.url === "/a/model") redirect(response, "../b/file?x=1", {}, 307);
      else sendFile(request, response, bytes);
    });
    await readAll(`${home.origin}/a/model`, SECRETS);
    expect(home.requests.map(({ path }) => path).slice(0, 3)).toEqual([
      "/a/model",
      "/b/file?x=1",
      "/b/file?x=1",
    ]);
    expect(home.requests.map(secretsOf)).toEqual(home.requests.map(() => 3));
  });

  it("is followed once, not for every part", async () => {
    const cdn = await serve((request, response) => sendFile(request, response, bytes));
    const home = await serve((_, response) => redirect(response, `${cdn.origin}/blob`));
    await readAll(`${home.origin}/model`, {});
    expect(home.requests).toHaveLength(1);
    expect(cdn.requests.length).toBeGreaterThan(1);
  });

  it("is followed anew when the place that it led to is gone", async () => {
    const places: TestServer[] = [];
    for (let i = 0; i < 2; i++) {
      places.push(
        await serve((request, response, count) => {
          if (i === 0 && count > 0) response.destroy();
          else sendFile(request, response, bytes);
        }),
      );
    }
    const home = await serve((_, response, count) => {
      redirect(response, `${places[Math.min(1, count)]?.origin}/blob`);
    });
    await readAll(`${home.origin}/model`, { backoffMs: 1 });
    expect(home.requests).toHaveLength(2);
    expect(places[0]?.requests).toHaveLength(2);
  });

  it("in a circle is refused", async () => {
    const home = await serve((request, response) => {
      redirect(response, request.url === "/a" ? "/b" : "/a");
    });
    const error = await errorOf(httpSource(`${home.origin}/a`));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toMatch(/\/a: more than 10 redirects/);
    expect(home.requests).toHaveLength(11);
  });

  it.each([
    [undefined, /a redirect that does not say where to/],
    ["http://[", /a redirect that does not say where to/],
    ["file:///etc/passwd", /a redirect from http: to file:, which is not safe/],
    ["data:text/plain,hello", /a redirect from http: to data:, which is not safe/],
  ])("to %s is refused", async (location, expected) => {
    const home = await serve((_, response) => redirect(response, location));
    expect((await errorOf(httpSource(`${home.origin}/a`))).message).toMatch(expected);
  });

  it("from https to http is refused", async () => {
    const asked: string[] = [];
    const fetch = async (url: string) => {
      asked.push(url);
      return new Response(null, { status: 302, headers: { location: "http://example.com/model" } });
    };
    const error = await errorOf(httpSource("https://example.com/model", { fetch, token: "t" }));
    expect(error.message).toMatch(/a redirect from https: to http:, which is not safe/);
    expect(asked).toEqual(["https://example.com/model"]);
  });

  it("with a user and a password in it loses them", async () => {
    const cdn = await serve((request, response) => sendFile(request, response, bytes));
    const there = cdn.origin.replace("http://", "http://user:secret@");
    const home = await serve((_, response) => redirect(response, there));
    await readAll(`${home.origin}/model`, {});
    expect(cdn.requests.map(secretsOf)).toEqual(cdn.requests.map(() => 0));
  });
});

describe("a signed address", () => {
  it.each([401, 403, 400, 404])("that expires with status %i is asked for anew", async (status) => {
    let left = 0;
    const cdn = await serve((request, response) => {
      if (request.url !== `/blob?sig=${signature}` || left-- <= 0) {
        response.writeHead(status);
        response.end("expired");
      } else sendFile(request, response, bytes);
    });
    let signature = 0;
    const home = await serve((_, response) => {
      signature++;
      left = 1;
      redirect(response, `${cdn.origin}/blob?sig=${signature}`);
    });
    await readAll(`${home.origin}/model`, SECRETS);
    expect(home.requests.length).toBeGreaterThanOrEqual(3);
    expect(cdn.requests.map(secretsOf)).toEqual(cdn.requests.map(() => 0));
  });

  it("that never works is told of, without its signature", async () => {
    const cdn = await serve((_, response) => {
      response.writeHead(403);
      response.end();
    });
    const home = await serve((_, response) => redirect(response, `${cdn.origin}/blob?sig=secret`));
    const { message } = await errorOf(httpSource(`${home.origin}/model`, SECRETS));
    expect(message).toBe(
      `cannot read ${home.origin}/model: access is refused (status 403). It came from where a ` +
        "redirect led; that address may have expired",
    );
  });

  /** Each time another place, which calls the same file by another tag. */
  const movingHub = async (linkedEtagOf: (count: number) => string) => {
    const cdn = await serve((request, response) => {
      const sig = request.url?.split("=")[1] as string;
      if (used.has(sig)) {
        response.writeHead(403);
        response.end();
      } else sendFile(request, response, bytes, { etag: `"place-${sig}"` });
      used.add(sig);
    });
    const used = new Set<string>();
    return serve((_, response, count) => {
      const headers = { "x-linked-etag": linkedEtagOf(count) };
      redirect(response, `${cdn.origin}/blob?sig=${count}`, headers);
    });
  };

  it("may lead to a place with other tags, if the hub says that it is the same file", async () => {
    const home = await movingHub(() => '"sha256"');
    await readAll(`${home.origin}/model`, { backoffMs: 1 });
  });

  it("may not lead to another file", async () => {
    const home = await movingHub((count) => `"sha256-${count}"`);
    const error = await errorOf(readAll(`${home.origin}/model`, { backoffMs: 1 }));
    expect(error.message).toMatch(/the file changed while it was read \(its hash is another one\)/);
  });
});

describe("a runtime that hides redirects, as browsers do", () => {
  function browser(target: string) {
    const sent: { url: string; redirect?: string; headers: Headers }[] = [];
    const fetch = async (url: string, init: RequestInit) => {
      const headers = new Headers(init.headers);
      sent.push({ url, redirect: init.redirect as string, headers });
      if (init.redirect !== "manual") return globalThis.fetch(target, init);
      return Object.defineProperties(new Response(null), {
        type: { value: "opaqueredirect" },
        status: { value: 0 },
      });
    };
    return { sent, fetch };
  }

  it("is let follow them, but with nothing secret", async () => {
    const cdn = await serve((request, response) => sendFile(request, response, bytes));
    const { sent, fetch } = browser(`${cdn.origin}/blob`);
    await readAll("https://example.com/model", { ...SECRETS, fetch });
    expect(cdn.requests.map(secretsOf)).toEqual(cdn.requests.map(() => 0));
    expect(sent.filter(({ redirect }) => redirect === "manual")).toHaveLength(1);
  });

  it("is told why it got no access", async () => {
    const cdn = await serve((_, response) => {
      response.writeHead(401);
      response.end();
    });
    const { fetch } = browser(`${cdn.origin}/blob`);
    const error = await errorOf(httpSource("https://example.com/model", { ...SECRETS, fetch }));
    expect(error.message).toMatch(/\(status 401\)\. This runtime hides where redirects lead/);
  });
});

describe("a page that asks another origin", () => {
  /** As `fetch` of a page, whose answers say that they passed CORS. */
  const fetch = async (url: string, init: RequestInit) => {
    const response = await globalThis.fetch(url, init);
    return Object.defineProperty(response, "type", { value: "cors" });
  };

  it("sends no header that needs a preflight, and still sees a file change", async () => {
    let etag = '"v1"';
    const server = await serve((request, response) => {
      sendFile(request, response, bytes, { etag });
    });
    const source = await httpSource(`${server.origin}/model`, { fetch });
    await source.read(new Uint8Array(10), 1_000_000);
    expect(server.requests.map(({ headers }) => headers["if-range"])).toEqual([
      undefined,
      undefined,
    ]);
    etag = '"v2"';
    const error = await errorOf(source.read(new Uint8Array(10), 100_000));
    expect(error.message).toMatch(/the file changed while it was read/);
    await source.close();
  });
});

describe("credentials", () => {
  it("in the address are refused", async () => {
    const error = await errorOf(httpSource("https://user:secret@example.com/model?sig=secret"));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).not.toContain("secret");
  });

  it("are not sent in the clear to another machine", async () => {
    const fetch = () => Promise.reject(new Error("nobody may be asked"));
    const error = await errorOf(httpSource("http://example.com/m", { token: "hf_secret", fetch }));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toBe(
      'token: expected an https URL to send it to, received "http://example.com/m"',
    );
  });

  it.each(["", "two words", "line\nbreak", "ключ"])(
    "must be such as a header can hold: %j; the message does not show them",
    async (token) => {
      const error = await errorOf(httpSource("https://example.com/m", { token }));
      expect(error).toBeInstanceOf(ArgumentError);
      if (token !== "") expect(error.message).not.toContain(token);
    },
  );

  it("in bad headers are not shown", async () => {
    const headers = { "X-Key": "secret\r\nX-Other: 1" };
    const error = await errorOf(httpSource("https://example.com/m", { headers }));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).not.toContain("secret");
  });

  it("of a query are in no message", async () => {
    const server = await serve((_, response) => {
      response.writeHead(403);
      response.end();
    });
    const error = await errorOf(httpSource(`${server.origin}/model?X-Amz-Signature=secret`));
    expect(error.message).toMatch(/Pass a token .*; if the address is a signed one, it may have/);
    expect(error.message).not.toContain("secret");
    expect(server.requests[0]?.path).toBe("/model?X-Amz-Signature=secret");
  });

  it("of a query in a runtime's own message are cut out", async () => {
    const url = "https://example.com/model?sig=secret";
    const fetch = () => Promise.reject(new TypeError(`error sending request for url (${url})`));
    const error = await errorOf(httpSource(url, { fetch, retries: 0 }));
    expect(error.message).toContain("error sending request for url (https://example.com/model)");
    expect(error.message).not.toContain("secret");
  });
});

describe("wrong options", () => {
  it.each([
    ["url", "ftp://example.com/model", {}],
    ["url", "model.safetensors", {}],
    ["url", "https://", {}],
    ["retries", "https://example.com/m", { retries: -1 }],
    ["backoffMs", "https://example.com/m", { backoffMs: 0.5 }],
    ["stallMs", "https://example.com/m", { stallMs: Number.NaN }],
  ])("%s of %s %j", async (argument, url, options) => {
    const error = await errorOf(httpSource(url, options));
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as ArgumentError).argument).toBe(argument);
  });
});
