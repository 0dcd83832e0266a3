/** The multipart half of S3's REST on a server of this machine, with ways to spoil it. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { serve, type TestServer } from "./server.ts";

export interface FakeS3 extends TestServer {
  readonly objects: Map<
    string,
    { readonly bytes: Buffer; readonly headers: IncomingMessage["headers"] }
  >;
  /** Uploads that are under way, by id. */
  readonly uploads: Map<string, Map<number, Buffer>>;
  /** Most parts that came at once. */
  mostAtOnce: number;
}

export interface Asked {
  readonly kind: "begin" | "part" | "complete" | "abort";
  readonly part: number;
  /** How many of the same kind (and part) came before. */
  readonly count: number;
  /** Does what a good server does. */
  readonly goOn: () => void;
}

/** @returns true when it has answered, or will */
export type Spoil = (asked: Asked, response: ServerResponse) => boolean;

const MIN_PART_BYTES = 5 << 20;

export async function fakeS3(spoil: Spoil = () => false): Promise<FakeS3> {
  const uploads: FakeS3["uploads"] = new Map();
  const objects: FakeS3["objects"] = new Map();
  const headersOf = new Map<string, IncomingMessage["headers"]>();
  const counts = new Map<string, number>();
  let running = 0;
  const server = await serve(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://s3");
    const kind = kindOf(request.method, searchParams);
    if (kind === "part") s3.mostAtOnce = Math.max(s3.mostAtOnce, ++running);
    const body = await bodyOf(request).catch(() => undefined);
    if (kind === "part") running--;
    if (body === undefined) return;
    const part = Number(searchParams.get("partNumber") ?? 0);
    const count = counts.get(`${kind} ${part}`) ?? 0;
    counts.set(`${kind} ${part}`, count + 1);
    const goOn = () => {
      const id = searchParams.get("uploadId") ?? "";
      if (kind === "begin") return begin(pathname, request.headers, response);
      const parts = uploads.get(id);
      if (parts === undefined) return refuse(response, 404, "NoSuchUpload");
      if (kind === "part") {
        parts.set(part, body);
        response.setHeader("etag", etagOf(body)).end();
      } else if (kind === "abort") {
        uploads.delete(id);
        response.writeHead(204).end();
      } else complete(id, parts, pathname, body.toString(), response);
    };
    if (!spoil({ kind, part, count, goOn }, response)) goOn();
  });
  const s3: FakeS3 = Object.assign(server, { uploads, objects, mostAtOnce: 0 });
  return s3;

  function begin(path: string, headers: IncomingMessage["headers"], response: ServerResponse) {
    const id = `id/${uploads.size}+${path.length}`;
    uploads.set(id, new Map());
    headersOf.set(id, headers);
    response.end(
      `<?xml version="1.0"?><InitiateMultipartUploadResult><UploadId>${id.replace("+", "&#43;")}</UploadId></InitiateMultipartUploadResult>`,
    );
  }

  function complete(
    id: string,
    parts: Map<number, Buffer>,
    path: string,
    xml: string,
    response: ServerResponse,
  ) {
    const named = [...xml.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)];
    const bytes = named.map(([, number]) => parts.get(Number(number)) ?? Buffer.alloc(0));
    const isGood = named.every(
      ([, , etag], i) => etag?.replaceAll("&#34;", '"') === etagOf(bytes[i]),
    );
    if (!isGood || named.length !== parts.size) return refuse(response, 400, "InvalidPart");
    if (bytes.slice(0, -1).some((part) => part.byteLength < MIN_PART_BYTES)) {
      return refuse(response, 400, "EntityTooSmall");
    }
    objects.set(decodeURIComponent(path), {
      bytes: Buffer.concat(bytes),
      headers: headersOf.get(id) ?? {},
    });
    uploads.delete(id);
    response.end("<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>");
  }
}

export function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as told</Message></Error>`,
  );
}

function kindOf(method: string | undefined, query: URLSearchParams): Asked["kind"] {
  if (method === "PUT") return "part";
  if (method === "DELETE") return "abort";
  return query.has("uploads") ? "begin" : "complete";
}

const etagOf = (bytes: Buffer | undefined) => `"${bytes?.byteLength}-${bytes?.at(-1)}"`;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
