/** A checkpoint at an address: a file, a folder of a server, or a model of the Hub. */

import { type ModelConfig, parseModelConfig } from "../checkpoint/config/model-config.ts";
import {
  CONFIG_NAME,
  checkShards,
  INDEX_NAME,
  isOldWeights,
  onlyWeights,
  SINGLE_NAME,
  whyNoWeights,
} from "../checkpoint/model-files.ts";
import type { OpenedModel } from "../checkpoint/opened-model.ts";
import { openSafetensors, parseIndex, type SafetensorsFile } from "../formats/safetensors/index.ts";
import { printable, StorageError } from "../foundation/errors.ts";
import { fetchFile } from "./fetch-file.ts";
import { HttpStatusError, WebPageError } from "./http-errors.ts";
import type { HttpOptions } from "./http-options.ts";
import { type HttpSource, httpSource } from "./http-source.ts";
import { type HubOptions, hubFile, listHubFiles } from "./hub.ts";
import { type HubModelPlace, modelPlaceOf } from "./model-place.ts";

export interface OpenWebModelOptions extends HubOptions {
  /** To use instead of the config.json beside the weights. */
  readonly config?: ModelConfig | undefined;
}

export interface WebModel extends OpenedModel {
  /** How messages call it: without what is secret in a URL. */
  readonly name: string;
}

/** A folder of a plain server cannot be listed: these are asked for by name. */
const KNOWN_SIDECARS: readonly string[] = [
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "generation_config.json",
  "merges.txt",
  "preprocessor_config.json",
  "processor_config.json",
  "sentencepiece.bpe.model",
  "special_tokens_map.json",
  "spiece.model",
  "tokenizer.json",
  "tokenizer.model",
  "tokenizer_config.json",
  "vocab.json",
  "vocab.txt",
];

/** The largest tokenizers have some 40 MB; what is larger than this is weights again. */
const MOST_SIDECAR_BYTES = 128 << 20;

const MOST_CONFIG_BYTES = 64 << 20;
const MOST_INDEX_BYTES = 512 << 20;

/** Files that are opened at once. */
const PARALLEL = 8;

/**
 * Opens a checkpoint; headers are read, no tensor.
 *
 * @param input `https://…` of a .safetensors file or of a folder, or `hf:org/name[@revision]`; a
 * page of the Hub stands for what it shows
 * @throws ArgumentError, StorageError, FormatError, or the signal's reason
 */
export async function openWebModel(
  input: string | URL,
  options: OpenWebModelOptions = {},
): Promise<WebModel> {
  const place = modelPlaceOf(String(input), options.endpoint);
  if (place.kind === "hub") return openHubModel(place, options);
  if (place.kind === "file") {
    const config = options.config ?? (await configOf(place.config, options));
    const files = await openAll([place.url], options);
    return webModel("file", files, { config });
  }
  const { urlOf } = place;
  const config = options.config ?? (await configOf(urlOf(CONFIG_NAME), options));
  const files = await openFolder(urlOf, options);
  const sidecars = {
    sidecars: KNOWN_SIDECARS,
    open: (path: string) => maybe(urlOf(path), options),
  };
  return webModel("directory", files, { config, ...sidecars });
}

async function openHubModel(place: HubModelPlace, options: OpenWebModelOptions): Promise<WebModel> {
  const { endpoint } = place;
  // A branch may move while we read: its commit does not.
  const asked = hubFile(place.ref, CONFIG_NAME, endpoint);
  const { name, bytes, notes } = await fetchFile(asked, MOST_CONFIG_BYTES, options);
  const commit = /^[0-9a-f]{40}$/.exec(notes.commit ?? "")?.[0];
  const ref = { ...place.ref, revision: commit ?? place.ref.revision };
  const urlOf = (path: string) => hubFile(ref, path, endpoint);
  const config =
    options.config ?? (bytes === undefined ? undefined : parseModelConfig(bytes, name));
  const list = await listHubFiles(ref, { ...options, endpoint });
  const top = list.map(({ path }) => path).filter((path) => !path.includes("/"));
  const weights = await openListed(top, urlOf, place.name, options);
  const own = new Set([CONFIG_NAME, INDEX_NAME, ...weights.names]);
  const sidecars: string[] = [];
  const leftOut: string[] = [];
  for (const { path, bytes: size } of list) {
    // What begins with a dot is the repository's own: .gitattributes stays, .cache does not.
    if (own.has(path) || /(^|\/)\.[^/]*\//.test(path)) continue;
    if (isOldWeights(path)) leftOut.push(path);
    else if (size > MOST_SIDECAR_BYTES) leftOut.push(`${path} (${(size / 1e9).toFixed(2)} GB)`);
    else sidecars.push(path);
  }
  const open = (path: string) => maybe(urlOf(path), options);
  return webModel("directory", weights, { config, sidecars: sidecars.sort(), leftOut, open });
}

interface Opened {
  readonly names: readonly string[];
  readonly files: readonly SafetensorsFile[];
  readonly sources: readonly HttpSource[];
}

/** The weights among files whose names are known. */
async function openListed(
  names: readonly string[],
  urlOf: (path: string) => string,
  model: string,
  options: HttpOptions,
): Promise<Opened> {
  if (names.includes(SINGLE_NAME)) return openNamed([SINGLE_NAME], urlOf, options);
  if (names.includes(INDEX_NAME)) return openShards(urlOf, options);
  const only = onlyWeights(names);
  if (only !== undefined) return openNamed([only], urlOf, options);
  throw new StorageError(`${printable(model)}: ${whyNoWeights(names)}`);
}

/** The weights of a folder that cannot be listed. */
async function openFolder(urlOf: (path: string) => string, options: HttpOptions): Promise<Opened> {
  const single = await maybe(urlOf(SINGLE_NAME), options);
  if (single === undefined) return openShards(urlOf, options);
  try {
    const files = [await openSafetensors(single)];
    return { names: [SINGLE_NAME], files, sources: [single] };
  } catch (error) {
    await single.close();
    throw error;
  }
}

async function openShards(urlOf: (path: string) => string, options: HttpOptions): Promise<Opened> {
  const { name, bytes } = await fetchFile(urlOf(INDEX_NAME), MOST_INDEX_BYTES, options);
  if (bytes === undefined) {
    throw new StorageError(
      `cannot read ${printable(name)}: there is no such file, and no ${SINGLE_NAME} beside it; ` +
        "expected the URL of a .safetensors file, or of a folder that has one of the two",
    );
  }
  const { weightMap } = parseIndex(bytes, name);
  const names = [...new Set(weightMap.values())].sort();
  const opened = await openNamed(names, urlOf, options);
  try {
    checkShards(opened.files, names, weightMap, name);
    return opened;
  } catch (error) {
    await closeAll(opened.sources);
    throw error;
  }
}

async function openNamed(
  names: readonly string[],
  urlOf: (path: string) => string,
  options: HttpOptions,
): Promise<Opened> {
  return { ...(await openAll(names.map(urlOf), options)), names };
}

async function openAll(urls: readonly string[], options: HttpOptions): Promise<Opened> {
  const sources: HttpSource[] = [];
  const files: SafetensorsFile[] = [];
  try {
    for (let first = 0; first < urls.length; first += PARALLEL) {
      const some = urls.slice(first, first + PARALLEL);
      const opened = await Promise.allSettled(
        some.map(async (url) => {
          const source = await httpSource(url, options);
          sources.push(source);
          return openSafetensors(source);
        }),
      );
      for (const result of opened) {
        if (result.status === "rejected") throw result.reason;
        files.push(result.value);
      }
    }
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
  return { names: urls, files, sources };
}

/** Undefined when there is none. Some stores answer 403 for what they do not have. */
async function maybe(url: string, options: HttpOptions): Promise<HttpSource | undefined> {
  try {
    return await httpSource(url, options);
  } catch (error) {
    const isStatus = error instanceof HttpStatusError;
    if (isStatus && (error.isMissing || error.status === 403)) return undefined;
    if (error instanceof WebPageError) return undefined;
    throw error;
  }
}

async function configOf(
  url: string | undefined,
  options: HttpOptions,
): Promise<ModelConfig | undefined> {
  if (url === undefined) return undefined;
  try {
    const { name, bytes } = await fetchFile(url, MOST_CONFIG_BYTES, options);
    return bytes === undefined ? undefined : parseModelConfig(bytes, name);
  } catch (error) {
    // Without access to the weights either, their own refusal follows.
    if (error instanceof HttpStatusError && [401, 403].includes(error.status)) return undefined;
    throw error;
  }
}

interface Besides {
  readonly config: ModelConfig | undefined;
  readonly sidecars?: readonly string[];
  readonly leftOut?: readonly string[];
  readonly open?: (path: string) => Promise<HttpSource | undefined>;
}

function webModel(
  kind: WebModel["kind"],
  { files, sources }: Opened,
  { config, sidecars = [], leftOut = [], open = async () => undefined }: Besides,
): WebModel {
  return {
    name: sources[0]?.name ?? "",
    kind,
    files,
    config,
    sidecars,
    leftOut,
    hasRanges: sources.every(({ hasRanges }) => hasRanges),
    openSidecar: open,
    close: () => closeAll(sources),
  };
}

async function closeAll(sources: readonly HttpSource[]): Promise<void> {
  await Promise.all(sources.map((source) => source.close()));
}
