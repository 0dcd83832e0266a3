/** The Hugging Face Hub's addresses: `hf:org/name@revision`, its files, and the list of them. */

import {
  ArgumentError,
  FormatError,
  printable,
  quoted,
  StorageError,
} from "../foundation/errors.ts";
import { fetchFile } from "./fetch-file.ts";
import type { HttpOptions } from "./http-options.ts";
import { isWebUrl } from "./public-url.ts";

export const HUB_ENDPOINT = "https://huggingface.co";

const MAIN = "main";

export interface HubRef {
  /** "org/name", or the bare name of an old canonical model. */
  readonly repo: string;
  /** A branch, a tag, a commit, "refs/pr/1". */
  readonly revision: string;
}

export interface HubOptions extends HttpOptions {
  /** Another hub than Hugging Face's own, at this URL. */
  readonly endpoint?: string | undefined;
}

export interface HubFile {
  /** Relative to the repository. */
  readonly path: string;
  readonly bytes: number;
}

const FORM = '"hf:org/name" or "hf:org/name@revision"';

export function isHubRef(text: string): boolean {
  return /^hf:/i.test(text);
}

/** @throws ArgumentError */
export function parseHubRef(text: string): HubRef {
  const match = /^hf:(?:\/\/)?([^@]+)(?:@(.+))?$/i.exec(text);
  const repo = match?.[1] ?? "";
  const revision = match?.[2] ?? MAIN;
  if (!isRepo(repo) || !isRevision(revision)) throw new ArgumentError("model", FORM, text);
  return { repo, revision };
}

/** Where a file of a model is. @param endpoint of another hub than Hugging Face's own */
export function hubFile({ repo, revision }: HubRef, path: string, endpoint?: string): string {
  return `${hubBase(endpoint)}/${repo}/resolve/${encodeURIComponent(revision)}/${encodedPath(path)}`;
}

/** What an address on a hub's own site means. */
export interface HubPlace {
  readonly ref: HubRef;
  /** A file or a folder of it; "" for the whole model. */
  readonly path: string;
}

/**
 * The model that a hub's web address shows: its page, a file's page, or the file itself. Undefined
 * for any other address.
 */
export function hubPlaceOf(url: URL, endpoint?: string): HubPlace | undefined {
  const base = `${hubBase(endpoint)}/`;
  const address = url.origin + url.pathname;
  if (!address.startsWith(base)) return undefined;
  const parts = address.slice(base.length).replace(/\/+$/, "").split("/").map(decoded);
  if (parts.some((part) => part === undefined)) return undefined;
  const [first = "", second = "", kind, ...rest] = parts as string[];
  const repo = `${first}/${second}`;
  if (!isRepo(repo)) return undefined;
  if (kind === undefined) return { ref: { repo, revision: MAIN }, path: "" };
  if (!["resolve", "raw", "blob", "tree"].includes(kind) || rest.length === 0) return undefined;
  // "refs/pr/1" has slashes of its own, which are not always encoded.
  const own = rest[0] === "refs" && rest.length >= 3 ? 3 : 1;
  const revision = rest.slice(0, own).join("/");
  if (!isRevision(revision)) return undefined;
  return { ref: { repo, revision }, path: rest.slice(own).join("/") };
}

/** Most files of a list; the Hub itself advises less than 100,000 in a repository. */
const MOST_FILES = 200_000;
const PAGE_BYTES = 16 << 20;

/**
 * All files of a model, with the paths and sizes that the Hub tells.
 *
 * @throws StorageError, FormatError, or the signal's reason
 */
export async function listHubFiles(
  { repo, revision }: HubRef,
  { endpoint, ...options }: HubOptions = {},
): Promise<HubFile[]> {
  const list = new URL(
    `${hubBase(endpoint)}/api/models/${repo}/tree/${encodeURIComponent(revision)}?recursive=true`,
  );
  const files: HubFile[] = [];
  for (let page: URL | undefined = list; page !== undefined; ) {
    const { name, bytes, headers } = await fetchFile(page, PAGE_BYTES, options);
    if (bytes === undefined) {
      const model = printable(`hf:${repo}@${revision}`);
      throw new StorageError(`cannot read ${model}: there is no such model, or no such revision`);
    }
    const before = files.length;
    files.push(...filesOf(bytes, name));
    if (files.length > MOST_FILES) {
      throw new FormatError(`it lists more than ${MOST_FILES} files`, { file: name });
    }
    // Of the next page's address only the query counts: a mirror may name the original.
    const query: string | undefined = nextQuery(headers.get("link"), page);
    const isSame: boolean = query === page.search || files.length === before;
    page = query === undefined || isSame ? undefined : new URL(query, list);
  }
  return files;
}

function filesOf(bytes: Uint8Array, name: string): HubFile[] {
  const wrong = (problem: string) => new FormatError(problem, { file: name });
  let list: unknown;
  try {
    list = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FormatError("it is no JSON; expected a list of files", { file: name }, { cause });
  }
  if (!Array.isArray(list)) throw wrong("expected a list of files");
  return list.flatMap((item: unknown) => {
    const { type, path, size } = (item ?? {}) as Partial<Record<string, unknown>>;
    if (type !== "file") return [];
    if (typeof path !== "string" || !Number.isSafeInteger(size) || (size as number) < 0) {
      throw wrong("a file without a path or a size");
    }
    // It will be a path on this machine.
    if (!isSafePath(path)) throw wrong(`the path ${quoted(path)} leads out of the repository`);
    return [{ path, bytes: size as number }];
  });
}

/** Relative, downwards, and of names that every file system takes as names. */
function isSafePath(path: string): boolean {
  if (path.length > 1000 || printable(path.slice(0, 200)) !== path.slice(0, 200)) return false;
  // A colon is a drive letter or a stream on Windows.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\\:\u0000-\u001f\u007f]|\p{Cs}/u.test(path)) return false;
  return path.split("/").every((name) => name !== "" && name !== "." && name !== "..");
}

/** `Link: <https://…?cursor=…>; rel="next"` */
function nextQuery(header: string | null, page: URL): string | undefined {
  const link = /<([^>]+)>\s*;\s*rel="?next"?/i.exec(header ?? "")?.[1];
  return link !== undefined && URL.canParse(link, page) ? new URL(link, page).search : undefined;
}

/** A hub's address as files' addresses begin. @throws ArgumentError */
export function hubBase(endpoint: string = HUB_ENDPOINT): string {
  if (!isWebUrl(endpoint) || !URL.canParse(endpoint)) {
    throw new ArgumentError("endpoint", "the http or https URL of a hub", endpoint);
  }
  return endpoint.replace(/\/+$/, "");
}

function isRepo(text: string): boolean {
  return /^([\w.-]{1,96}\/)?[\w.-]{1,96}$/.test(text) && !/(^|\/)\.{1,2}(\/|$)/.test(text);
}

function isRevision(text: string): boolean {
  return /^[^\s\\?*:^~[\]]{1,255}$/.test(text) && !text.includes("..") && printable(text) === text;
}

function encodedPath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
