/** Of which files a checkpoint consists, wherever they lie. */

import type { SafetensorsFile } from "../formats/safetensors/index.ts";
import { FormatError, quoted } from "../foundation/errors.ts";

export const INDEX_NAME = "model.safetensors.index.json";
export const SINGLE_NAME = "model.safetensors";
export const CONFIG_NAME = "config.json";
/** Checksums of all files beside it. */
export const CHECKSUMS_NAME = "SHA256SUMS";

/**
 * The old weights in one form or another are never copied. What belongs to the model in forms of
 * their own, wherever they lie:
 */
const OTHER_FORMS = /\.(pth|ckpt|gguf|ggml|onnx|onnx_data|h5|msgpack|ot|tflite|nemo)$/;

/** … and the checkpoint itself at the top, under the names that loaders know. */
const WEIGHT_FILES =
  /^((model|pytorch_model|diffusion_pytorch_model|consolidated|tf_model|flax_model)\b.*\.(safetensors|bin|pt|h5)|.*\.(safetensors|bin)\.index\.json)$/;

/** @param path relative to the checkpoint */
export function isOldWeights(path: string): boolean {
  return OTHER_FORMS.test(path) || WEIGHT_FILES.test(path);
}

/** The one file of weights under another name than `SINGLE_NAME`. @param names at the top */
export function onlyWeights(names: readonly string[]): string | undefined {
  const candidates = names.filter(isSafetensors);
  return candidates.length === 1 ? candidates[0] : undefined;
}

/** Why files of these names, at the top of a checkpoint, are none. */
export function whyNoWeights(names: readonly string[]): string {
  const candidates = names.filter(isSafetensors).length;
  if (candidates > 1) {
    return `${candidates} .safetensors files but no ${INDEX_NAME}, which says which tensor is where`;
  }
  if (names.some((name) => /\.(bin|pt|pth|ckpt)$/.test(name))) {
    return "only PyTorch pickles; convert them to safetensors first (save_pretrained does)";
  }
  return `no ${SINGLE_NAME} and no ${INDEX_NAME}; expected a checkpoint directory`;
}

/**
 * Every tensor must be in exactly one shard, the one that the index names.
 *
 * @param names of the files, as the index has them
 * @throws FormatError
 */
export function checkShards(
  files: readonly SafetensorsFile[],
  names: readonly string[],
  weightMap: ReadonlyMap<string, string> | undefined,
  indexPath: string,
): void {
  const seen = new Map<string, string>();
  for (const [i, { table, source }] of files.entries()) {
    const shard = names[i] as string;
    for (let at = 0; at < table.length; at++) {
      const tensor = table.nameAt(at);
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
    const file = files[names.indexOf(shard)];
    if (file === undefined || file.table.indexOf(tensor) < 0) {
      throw new FormatError(`it is listed in ${quoted(shard)}, which does not hold it`, {
        file: indexPath,
        tensor,
      });
    }
  }
}

function isSafetensors(name: string): boolean {
  return name.endsWith(".safetensors");
}
