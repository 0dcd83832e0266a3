/** What the address of a model means: a file, a folder of a server, or a model of a hub. */

import { CONFIG_NAME, INDEX_NAME } from "../checkpoint/model-files.ts";
import { ArgumentError, printable } from "../foundation/errors.ts";
import {
  HUB_ENDPOINT,
  type HubRef,
  hubBase,
  hubFile,
  hubPlaceOf,
  isHubRef,
  parseHubRef,
} from "./hub.ts";
import { isWebUrl, publicUrl } from "./public-url.ts";

export interface HubModelPlace {
  readonly kind: "hub";
  readonly ref: HubRef;
  readonly endpoint: string;
  /** How messages call it. */
  readonly name: string;
}

export interface FilePlace {
  readonly kind: "file";
  readonly url: string;
  /** Where its config.json would be. */
  readonly config: string | undefined;
}

export interface FolderPlace {
  readonly kind: "folder";
  readonly urlOf: (name: string) => string;
}

export type ModelPlace = HubModelPlace | FilePlace | FolderPlace;

/** True for what is no path of this machine. */
export function isWebModel(input: string): boolean {
  return isWebUrl(input) || isHubRef(input);
}

/** @throws ArgumentError */
export function modelPlaceOf(input: string, endpoint: string = HUB_ENDPOINT): ModelPlace {
  if (isHubRef(input)) return hubModel(parseHubRef(input), endpoint);
  if (!isWebUrl(input) || !URL.canParse(input)) {
    throw new ArgumentError(
      "model",
      "an http or https URL, or hf:org/name[@revision]",
      publicModelName(input),
    );
  }
  const url = new URL(input);
  const page = hubPlaceOf(url, endpoint) ?? hubPlaceOf(url, HUB_ENDPOINT);
  if (page === undefined) return plainPlace(url);
  const { ref, path } = page;
  const hub = hubPlaceOf(url, endpoint) === undefined ? HUB_ENDPOINT : endpoint;
  if (path === "" || path === INDEX_NAME) return hubModel(ref, hub);
  return plainPlace(new URL(hubFile(ref, path, hub)));
}

/** Whether a path or an address is that of a GGUF file. */
export function isGgufPath(input: string): boolean {
  const path = isWebUrl(input) && URL.canParse(input) ? new URL(input).pathname : input;
  return /\.gguf$/i.test(path);
}

/** A path that ends in .safetensors or .gguf is a file; so is any other with a query but no "/" at its end. */
function plainPlace(url: URL): FilePlace | FolderPlace {
  const { pathname, search } = url;
  if (pathname.endsWith(`/${INDEX_NAME}`)) return folder(new URL(`.${search}`, url));
  if (pathname.endsWith("/")) return folder(url);
  if (pathname.endsWith(".safetensors")) {
    // A signature for all of a folder is good for its config too; another one does no harm.
    return { kind: "file", url: url.href, config: beside(url, CONFIG_NAME) };
  }
  if (search !== "" || isGgufPath(pathname))
    return { kind: "file", url: url.href, config: undefined };
  return folder(new URL(`${url.href}/`));
}

function folder(url: URL): FolderPlace {
  return { kind: "folder", urlOf: (name) => beside(url, name) };
}

function beside(url: URL, name: string): string {
  return new URL(`./${encodeURIComponent(name)}${url.search}`, url).href;
}

function hubModel(ref: HubRef, endpoint: string): HubModelPlace {
  const name = printable(`hf:${ref.repo}@${ref.revision}`);
  return { kind: "hub", ref, endpoint: hubBase(endpoint), name };
}

/** The origin that is asked for the model: a token for it may go nowhere else. */
export function originOf(place: ModelPlace): URL {
  if (place.kind === "hub") return new URL(place.endpoint);
  return new URL(place.kind === "file" ? place.url : place.urlOf(CONFIG_NAME));
}

/** A model's name as the user typed it, with what a URL must not tell left out. */
export function publicModelName(input: string): string {
  return isWebUrl(input) ? publicUrl(input) : input;
}
