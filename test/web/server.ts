/** Real HTTP servers on this machine: one that serves files well, and ways to spoil what it does. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { afterAll } from "vitest";

export interface Seen {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  /** The client let go before the answer was complete. */
  isCut: boolean;
}

export interface TestServer {
  /** Origin, without a slash at its end. */
  readonly origin: string;
  readonly requests: Seen[];
}

export type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

const closers: (() => Promise<void>)[] = [];

afterAll(async () => {
  await Promise.all(closers.map((close) => close()));
});

/** @param handler gets the number of this request too, from 0 on */
export async function serve(handler: Handler): Promise<TestServer> {
  const requests: Seen[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    const seen = { method, path: url, headers, isCut: false };
    response.on("close", () => {
      seen.isCut = !response.writableFinished;
    });
    requests.push(seen);
    handler(request, response, requests.length - 1);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, requests };
}

/** A port of this machine where nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

export interface FileOptions {
  readonly etag?: string | undefined;
  readonly lastModified?: string;
  /** False: answers every request with all bytes. */
  readonly ranges?: boolean;
  /** More headers of every answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Range of a request, as a server reads it; undefined for none. */
export function rangeOf(
  request: IncomingMessage,
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  if (match === null) return undefined;
  const end = match[2] === "" ? size : Math.min(size, Number(match[2]) + 1);
  return { start: Number(match[1]), end };
}

/** Answers as a good server does. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  { etag = '"v1"', lastModified, ranges = true, headers = {} }: FileOptions = {},
): void {
  const all: Record<string, string> = { "content-type": "application/octet-stream", ...headers };
  if (etag !== "") all.etag = etag;
  if (lastModified !== undefined) all["last-modified"] = lastModified;
  const condition = request.headers["if-range"];
  const isSame = condition === undefined || condition === etag || condition === lastModified;
  const range = ranges && isSame ? rangeOf(request, bytes.byteLength) : undefined;
  if (range !== undefined && range.start >= bytes.byteLength) {
    response.writeHead(416, { ...all, "content-range": `bytes */${bytes.byteLength}` });
    response.end();
    return;
  }
  const part = range === undefined ? bytes : bytes.subarray(range.start, range.end);
  all["content-length"] = String(part.byteLength);
  if (range !== undefined) {
    all["content-range"] = `bytes ${range.start}-${range.end - 1}/${bytes.byteLength}`;
  }
  response.writeHead(range === undefined ? 200 : 206, all);
  // In chunks: who let go early is seen by what is left.
  Readable.from(chunksOf(part)).pipe(response);
}

function* chunksOf(bytes: Uint8Array): Generator<Uint8Array> {
  const step = 1 << 18;
  for (let at = 0; at < bytes.byteLength; at += step) yield bytes.subarray(at, at + step);
}

/** Sends some of the bytes that were promised, and cuts the connection. */
export function dropAfter(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  sent: number,
  etag = '"v1"',
): void {
  const { start, end } = rangeOf(request, bytes.byteLength) ?? { start: 0, end: bytes.byteLength };
  response.writeHead(206, {
    etag,
    "content-length": String(end - start),
    "content-range": `bytes ${start}-${end - 1}/${bytes.byteLength}`,
  });
  const part = bytes.subarray(start, Math.min(end, start + sent));
  response.write(part, () => setTimeout(() => response.destroy(), 5));
}

/** Bytes that tell where they are from. */
export function patternBytes(length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e3779b1);
  return new Uint8Array(words.buffer, 0, length);
}
