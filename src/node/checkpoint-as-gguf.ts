/** A checkpoint of safetensors as a GGUF model, with its tokenizer and with keys of other files. */

import { basename, resolve } from "node:path";
import type { OpenedModel } from "../checkpoint/opened-model.ts";
import { huggingFaceModel } from "../gguf/hugging-face/model.ts";
import { newWorkspace } from "../tensor/default-workspace.ts";
import { isWebModel, publicModelName } from "../web/model-place.ts";
import { openStored } from "./dequantize-model.ts";
import { openGgufInput } from "./gguf-input.ts";

/** For safetensors as input. */
export interface CheckpointOptions {
  /** A config.json to use instead of the one beside the model. */
  readonly config?: string | undefined;
  /** A GGUF file of the same model, whose keys are copied: with them its tokenizer. */
  readonly metadataFrom?: string | undefined;
  /** `tokenizer.ggml.pre`, for a tokenizer that is not known. */
  readonly tokenizerPre?: string | undefined;
}

/** Largest text that is read: tokenizers have up to 40 MB. */
const MAX_TEXT_BYTES = 128 << 20;

/** @throws PlanError, FormatError, StorageError */
export async function checkpointAsGguf(
  model: OpenedModel,
  input: string,
  { metadataFrom, tokenizerPre }: CheckpointOptions,
): Promise<ReturnType<typeof huggingFaceModel>> {
  const stored = await openStored(model);
  const other = metadataFrom === undefined ? undefined : await metadataOf(metadataFrom);
  const tokenizer = {
    tokenizer: await textBeside(model, "tokenizer.json"),
    tokenizerConfig: await textBeside(model, "tokenizer_config.json"),
    chatTemplate: await textBeside(model, "chat_template.jinja"),
  };
  const name = isWebModel(input) ? publicModelName(input) : basename(resolve(input));
  return huggingFaceModel(stored, model.config, newWorkspace(), {
    ...{ name, tokenizer, tokenizerPre },
    metadataFrom: other,
  });
}

async function metadataOf(path: string) {
  const { metadata, close } = await openGgufInput(path);
  await close();
  return metadata;
}

async function textBeside(model: OpenedModel, name: string): Promise<string | undefined> {
  if (!model.sidecars.includes(name)) return undefined;
  const source = await model.openSidecar(name);
  if (source === undefined || source.size > MAX_TEXT_BYTES) return undefined;
  try {
    const bytes = new Uint8Array(source.size);
    await source.read(bytes, 0);
    return new TextDecoder().decode(bytes);
  } finally {
    await source.close();
  }
}
