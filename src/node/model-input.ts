/** Finds what a model consists of: a file, or a directory with one file or with shards. */

import { lstat, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
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
import {
  ArgumentError,
  FormatError,
  printable,
  quoted,
  StorageError,
} from "../foundation/errors.ts";
import { isWebModel } from "../web/model-place.ts";
import { checkInput } from "./check-output.ts";
import { type FileSource, openFileSource } from "./file-source.ts";
import { storageError } from "./storage-error.ts";
import { openWebInput, type WebInputOptions } from "./web-input.ts";

export type ModelInput = OpenedModel;

export interface OpenModelOptions extends WebInputOptions {
  /** A config.json to use instead of the one beside the weights. */
  readonly config?: string | undefined;
}

/**
 * @param input a path, an http or https URL, or hf:org/name[@revision]
 * @throws ArgumentError, StorageError, FormatError, or the signal's reason
 */
export async function openModel(
  input: string,
  options: OpenModelOptions = {},
): Promise<ModelInput> {
  checkInput(input);
  if (input === "-") {
    const allowed = "a file, a directory or an address: a stream can only be quantized";
    throw new ArgumentError("model", allowed, input);
  }
  const config = options.config === undefined ? undefined : await readConfig(options.config);
  return isWebModel(input) ? openWebInput(input, config, options) : openLocal(input, config);
}

async function openLocal(path: string, givenConfig: ModelConfig | undefined): Promise<ModelInput> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw storageError("cannot open", path, cause);
  });
  const isDirectory = stats.isDirectory();
  const directory = isDirectory ? path : dirname(path);
  const config = givenConfig ?? (await readConfigBeside(directory));
  const opened: FileSource[] = [];
  const close = async () => {
    await Promise.all(opened.map((source) => source.close()));
  };
  try {
    const { names, weightMap } = isDirectory
      ? await weightFiles(path)
      : { names: [basename(path)], weightMap: undefined };
    const files: SafetensorsFile[] = [];
    for (const name of names) {
      const source = await openFileSource(isDirectory ? join(path, name) : path);
      opened.push(source);
      files.push(await openSafetensors(source));
    }
    checkShards(files, names, weightMap, join(directory, INDEX_NAME));
    const others = isDirectory ? await filesBelow(path) : [];
    const own = new Set([CONFIG_NAME, INDEX_NAME, ...names]);
    const besides = others.filter((name) => !own.has(name));
    return {
      kind: isDirectory ? "directory" : "file",
      files,
      config,
      sidecars: besides.filter((name) => !isOldWeights(name)),
      leftOut: besides.filter(isOldWeights),
      hasRanges: true,
      openSidecar: (name) => openFileSource(join(directory, name)),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function readConfigBeside(directory: string): Promise<ModelConfig | undefined> {
  const path = join(directory, CONFIG_NAME);
  const isThere = await stat(path).then(
    () => true,
    (cause: NodeJS.ErrnoException) => cause.code !== "ENOENT",
  );
  return isThere ? readConfig(path) : undefined;
}

/** @throws StorageError, FormatError */
export async function readConfig(path: string): Promise<ModelConfig> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw storageError("cannot read", path, cause);
  });
  return parseModelConfig(bytes, path);
}

interface WeightFiles {
  readonly names: readonly string[];
  readonly weightMap: ReadonlyMap<string, string> | undefined;
}

async function weightFiles(directory: string): Promise<WeightFiles> {
  const names = await readdir(directory);
  if (names.includes(SINGLE_NAME)) return { names: [SINGLE_NAME], weightMap: undefined };
  if (names.includes(INDEX_NAME)) {
    const path = join(directory, INDEX_NAME);
    const bytes = await readFile(path).catch((cause: unknown) => {
      throw storageError("cannot read", path, cause);
    });
    const { weightMap } = parseIndex(bytes, path);
    const shards = [...new Set(weightMap.values())].sort();
    for (const shard of shards) {
      if (names.includes(shard)) continue;
      throw new FormatError(
        `it names the shard ${quoted(shard)}, which is not in ${printable(directory)}; ` +
          "download it, or repair the index",
        { file: path },
      );
    }
    return { names: shards, weightMap };
  }
  const only = onlyWeights(names);
  if (only !== undefined) return { names: [only], weightMap: undefined };
  throw new StorageError(`${printable(directory)}: ${whyNoWeights(names)}`);
}

/** All files, but for hidden directories (.git, .cache) and links that lead to directories. */
async function filesBelow(root: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.isDirectory()) {
      if (!entry.name.startsWith(".")) found.push(...(await filesBelow(root, path)));
      continue;
    }
    // Hub caches keep their files as links to blobs: a link to a regular file is that file.
    const real = await realpath(join(root, path)).catch(() => undefined);
    if (real !== undefined && (await lstat(real)).isFile()) found.push(path);
  }
  return found.sort();
}
