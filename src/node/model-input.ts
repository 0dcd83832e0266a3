/** Finds what a model consists of: a file, or a directory with one file or with shards. */

import { lstat, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type ModelConfig, parseModelConfig } from "../checkpoint/config/model-config.ts";
import { openSafetensors, parseIndex, type SafetensorsFile } from "../formats/safetensors/index.ts";
import { FormatError, printable, quoted, StorageError } from "../foundation/errors.ts";
import { type FileSource, openFileSource } from "./file-source.ts";
import { storageError } from "./storage-error.ts";

export const INDEX_NAME = "model.safetensors.index.json";
const SINGLE_NAME = "model.safetensors";
const CONFIG_NAME = "config.json";

/**
 * The old weights in one form or another are never copied. What belongs to the model in forms of
 * their own, wherever they lie:
 */
const OTHER_FORMS = /\.(pth|ckpt|gguf|ggml|onnx|onnx_data|h5|msgpack|ot|tflite|nemo)$/;

/** … and the checkpoint itself at the top, under the names that loaders know. */
const WEIGHT_FILES =
  /^((model|pytorch_model|diffusion_pytorch_model|consolidated|tf_model|flax_model)\b.*\.(safetensors|bin|pt|h5)|.*\.(safetensors|bin)\.index\.json)$/;

export interface ModelInput {
  readonly files: readonly SafetensorsFile[];
  readonly config: ModelConfig | undefined;
  /** Files to copy beside the weights, relative to `directory`. */
  readonly sidecars: readonly string[];
  /** Files that are left behind as other forms of the weights. */
  readonly leftOut: readonly string[];
  readonly directory: string;
  close(): Promise<void>;
}

/**
 * @param configPath a config.json to use instead of the one beside the weights
 * @throws StorageError, FormatError
 */
export async function openModel(path: string, configPath?: string): Promise<ModelInput> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw storageError("cannot open", path, cause);
  });
  const isDirectory = stats.isDirectory();
  const directory = isDirectory ? path : dirname(path);
  const config =
    configPath === undefined ? await readConfigBeside(directory) : await readConfig(configPath);
  const opened: FileSource[] = [];
  const close = async () => {
    await Promise.all(opened.map((source) => source.close()));
  };
  try {
    const paths = isDirectory ? await weightFiles(path) : { names: [path], weightMap: undefined };
    const files: SafetensorsFile[] = [];
    for (const name of paths.names) {
      const source = await openFileSource(isDirectory ? join(path, name) : name);
      opened.push(source);
      files.push(await openSafetensors(source));
    }
    checkShards(files, paths.weightMap, join(directory, INDEX_NAME));
    const others = isDirectory ? await filesBelow(path) : [];
    const own = new Set([CONFIG_NAME, INDEX_NAME, ...paths.names]);
    const besides = others.filter((name) => !own.has(name));
    const sidecars = besides.filter((name) => !isOldWeights(name));
    const leftOut = besides.filter(isOldWeights);
    return { files, config, sidecars, leftOut, directory, close };
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
  const candidates = names.filter((name) => name.endsWith(".safetensors"));
  if (candidates.length === 1) return { names: candidates, weightMap: undefined };
  throw new StorageError(`${printable(directory)}: ${whyNoWeights(names, candidates.length)}`);
}

function whyNoWeights(names: readonly string[], candidates: number): string {
  if (candidates > 1) {
    return `${candidates} .safetensors files but no ${INDEX_NAME}, which says which tensor is where`;
  }
  if (names.some((name) => /\.(bin|pt|pth|ckpt)$/.test(name))) {
    return "only PyTorch pickles; convert them to safetensors first (save_pretrained does)";
  }
  return `no ${SINGLE_NAME} and no ${INDEX_NAME}; expected a checkpoint directory`;
}

/** Every tensor must be in exactly one shard, the one that the index names. */
function checkShards(
  files: readonly SafetensorsFile[],
  weightMap: ReadonlyMap<string, string> | undefined,
  indexPath: string,
): void {
  const seen = new Map<string, string>();
  for (const { table, source } of files) {
    const shard = basename(source.name);
    for (let i = 0; i < table.length; i++) {
      const tensor = table.nameAt(i);
      const other = seen.get(tensor);
      if (other !== undefined) {
        throw new FormatError(`it is in ${quoted(other)} too; expected one shard to hold it`, {
          file: source.name,
          tensor,
        });
      }
      if (files.length > 1) seen.set(tensor, shard);
      const listed = weightMap?.get(tensor);
      if (weightMap === undefined || listed === shard) continue;
      const problem =
        listed === undefined
          ? `${INDEX_NAME} does not list it`
          : `${INDEX_NAME} says that it is in ${quoted(listed)}`;
      throw new FormatError(problem, { file: source.name, tensor });
    }
  }
  for (const [tensor, shard] of weightMap ?? []) {
    const file = files.find(({ source }) => basename(source.name) === shard);
    if (file === undefined || file.table.indexOf(tensor) < 0) {
      throw new FormatError(`it is listed in ${quoted(shard)}, which does not hold it`, {
        file: indexPath,
        tensor,
      });
    }
  }
}

function isOldWeights(path: string): boolean {
  return OTHER_FORMS.test(path) || WEIGHT_FILES.test(path);
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
