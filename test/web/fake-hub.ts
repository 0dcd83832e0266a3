/** A hub on this machine: the addresses, redirects, headers and refusals of the real one. */

import { createHash } from "node:crypto";
import { dropAfter, sendFile, serve, type TestServer } from "./server.ts";

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export interface FakeHubOptions {
  /** By their paths. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** @defaultValue "org/name" */
  readonly repo?: string;
  /** Revisions beside the commit. @defaultValue ["main"] */
  readonly revisions?: readonly string[];
  /** Without it nobody gets anything. */
  readonly token?: string;
  /** Files in a page of the list. @defaultValue 3 */
  readonly pageSize?: number;
  /** Sizes that the list tells instead of the true ones. */
  readonly sizes?: Readonly<Record<string, number>>;
  /** Answers that a signature of the storage is good for. @defaultValue any number */
  readonly answersPerSignature?: number;
  /** Bytes after which the storage cuts every other connection. */
  readonly cutAfter?: number;
}

export interface FakeHub {
  readonly hub: TestServer;
  /** Where large files lie: another origin. */
  readonly storage: TestServer;
}

export async function fakeHub(options: FakeHubOptions): Promise<FakeHub> {
  const { files, repo = "org/name", revisions = ["main"], token } = options;
  const { pageSize = 3, sizes = {}, answersPerSignature = Number.POSITIVE_INFINITY } = options;
  const answers = new Map<string, number>();
  const storage = await serve((request, response, count) => {
    const url = new URL(request.url ?? "", "http://storage");
    const signature = url.searchParams.get("sig") ?? "";
    const bytes = files.get(decodeURIComponent(url.pathname.slice(1)));
    const used = answers.get(signature) ?? Number.POSITIVE_INFINITY;
    answers.set(signature, used + 1);
    if (bytes === undefined || used >= answersPerSignature) {
      response.writeHead(403);
      response.end("<Error><Code>AccessDenied</Code></Error>");
      return;
    }
    const etag = `"${hashOf(bytes).slice(0, 32)}-2"`;
    const { cutAfter } = options;
    if (cutAfter === undefined || count % 2 === 0) sendFile(request, response, bytes, { etag });
    else dropAfter(request, response, bytes, cutAfter, etag);
  });

  const hub = await serve((request, response) => {
    const refuse = (status: number, code: string, message: string) => {
      response.writeHead(status, { "x-error-code": code, "x-error-message": message });
      response.end(message);
    };
    const url = new URL(request.url ?? "", "http://hub");
    const authorization = request.headers.authorization;
    if (token !== undefined && authorization !== `Bearer ${token}`) {
      return authorization === undefined
        ? refuse(401, "GatedRepo", "Access to model is restricted. Please log in.")
        : refuse(403, "GatedRepo", "Your request to access the model awaits a review.");
    }
    const parts = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const known = [...revisions, COMMIT];
    const list = ["api", "models", ...repo.split("/"), "tree"];
    if (list.every((part, i) => parts[i] === part) && parts.length === list.length + 1) {
      if (!known.includes(parts.at(-1) as string)) {
        return refuse(404, "RevisionNotFound", "Invalid rev id");
      }
      const start = Number(url.searchParams.get("cursor") ?? 0);
      const all = [{ type: "directory", path: "folder", size: 0 }, ...fileList(files, sizes)];
      if (start + pageSize < all.length) {
        url.searchParams.set("cursor", String(start + pageSize));
        // A mirror passes the original's links on.
        response.setHeader("link", `<https://hub.invalid${url.pathname}${url.search}>; rel="next"`);
      }
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(all.slice(start, start + pageSize)));
      return;
    }
    const own = repo.split("/");
    if (!own.every((part, i) => parts[i] === part) || parts[own.length] !== "resolve") {
      return refuse(401, "RepoNotFound", "Repository not found");
    }
    if (!known.includes(parts[own.length + 1] as string)) {
      return refuse(404, "RevisionNotFound", "Invalid rev id");
    }
    response.setHeader("x-repo-commit", COMMIT);
    const path = parts.slice(own.length + 2).join("/");
    const bytes = files.get(path);
    if (bytes === undefined) return refuse(404, "EntryNotFound", "Entry not found");
    if (!path.endsWith(".safetensors")) return sendFile(request, response, bytes);
    const signature = String(answers.size + 1);
    answers.set(signature, 0);
    response.writeHead(302, {
      location: `${storage.origin}/${encodeURIComponent(path)}?sig=${signature}&secret=1`,
      "x-linked-etag": `"${hashOf(bytes)}"`,
      "x-linked-size": String(bytes.byteLength),
      "content-length": "0",
    });
    response.end();
  });
  return { hub, storage };
}

function fileList(
  files: ReadonlyMap<string, Uint8Array>,
  sizes: Readonly<Record<string, number>>,
): object[] {
  return [...files].map(([path, bytes]) => ({
    type: "file",
    oid: hashOf(bytes).slice(0, 40),
    size: sizes[path] ?? bytes.byteLength,
    path,
  }));
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The files of a plain server's folder. */
export function folderServer(
  files: ReadonlyMap<string, Uint8Array>,
  { ranges = true, missing = 404 }: { readonly ranges?: boolean; readonly missing?: number } = {},
): Promise<TestServer> {
  return serve((request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    const bytes = files.get(decodeURIComponent(pathname.slice(1)));
    if (bytes !== undefined) {
      sendFile(request, response, bytes, { ranges });
      return;
    }
    // 200 stands for servers that answer anything with their page.
    response.writeHead(missing, { "content-type": "text/html" });
    response.end("<html>");
  });
}
