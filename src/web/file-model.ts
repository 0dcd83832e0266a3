/** A checkpoint in files that somebody chose or dropped. */

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
import { openSafetensors, parseIndex, type SafetensorsFile } from "../formats/safetensors/index.ts";
import { ArgumentError, FormatError, quoted, StorageError } from "../foundation/errors.ts";
import { blobSource } from "./blob-source.ts";
import type { WebModel } from "./web-model.ts";

/**
 * Opens a checkpoint: one .safetensors file, or shards with their index; config.json and whatever lies
 * beside them if they are among the files. Headers are read, no tensor.
 *
 * @param files as of an input element, a drop, or a directory's handles; paths of a chosen directory
 * (`webkitRelativePath`) are kept
 * @param options.config to use instead of the config.json among the files
 * @throws FormatError, StorageError
 */
export async function openFileModel(
  files: Iterable<File>,
  options: { readonly config?: ModelConfig | undefined } = {},
): Promise<WebModel> {
  const byPath = new Map<string, File>();
  for (const file of files) {
    if (typeof file?.name !== "string") {
      throw new ArgumentError("files", "files, as of an input element or a drop", file);
    }
    byPath.set(pathOf(file), file);
  }
  const top = [...byPath.keys()].filter((path) => !path.includes("/"));
  const { names, weightMap } = await weightFiles(top, byPath);
  const opened: SafetensorsFile[] = [];
  for (const name of names)
    opened.push(await openSafetensors(blobSource(byPath.get(name) as File)));
  checkShards(opened, names, weightMap, INDEX_NAME);
  const configFile = byPath.get(CONFIG_NAME);
  const config =
    options.config ??
    (configFile === undefined
      ? undefined
      : parseModelConfig(await bytesOf(configFile), CONFIG_NAME));
  const own = new Set([CONFIG_NAME, INDEX_NAME, ...names]);
  const besides = [...byPath.keys()].filter((path) => !own.has(path) && !isHidden(path)).sort();
  return {
    name: names[0] as string,
    kind: byPath.size === 1 ? "file" : "directory",
    files: opened,
    config,
    sidecars: besides.filter((path) => !isOldWeights(path)),
    leftOut: besides.filter(isOldWeights),
    hasRanges: true,
    openSidecar: async (path) => {
      const file = byPath.get(path);
      return file && { ...blobSource(file), close: async () => {} };
    },
    close: async () => {},
  };
}

/** Below the directory that was chosen. */
function pathOf({ name, webkitRelativePath = "" }: File): string {
  return webkitRelativePath === "" ? name : webkitRelativePath.replace(/^[^/]*\//, "");
}

/** Folders like .git and .cache. */
function isHidden(path: string): boolean {
  return /(^|\/)\.[^/]*\//.test(path);
}

async function weightFiles(
  names: readonly string[],
  byPath: ReadonlyMap<string, File>,
): Promise<{ names: readonly string[]; weightMap: ReadonlyMap<string, string> | undefined }> {
  if (names.includes(SINGLE_NAME)) return { names: [SINGLE_NAME], weightMap: undefined };
  if (names.includes(INDEX_NAME)) {
    const { weightMap } = parseIndex(await bytesOf(byPath.get(INDEX_NAME) as File), INDEX_NAME);
    const shards = [...new Set(weightMap.values())].sort();
    for (const shard of shards) {
      if (byPath.has(shard)) continue;
      const problem = `it names the shard ${quoted(shard)}, which is not among the files; add it`;
      throw new FormatError(problem, { file: INDEX_NAME });
    }
    return { names: shards, weightMap };
  }
  const only = onlyWeights(names);
  if (only !== undefined) return { names: [only], weightMap: undefined };
  throw new StorageError(`the chosen files: ${whyNoWeights(names)}`);
}

/** config.json, and an index: the largest have some megabytes. */
async function bytesOf(file: File): Promise<Uint8Array> {
  const bytes = new Uint8Array(file.size);
  await blobSource(file).read(bytes, 0);
  return bytes;
}
