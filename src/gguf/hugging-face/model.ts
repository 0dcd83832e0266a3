/** A Hugging Face checkpoint as a GGUF model: what its file would hold before it is quantized. */

import type { ModelConfig } from "../../checkpoint/config/model-config.ts";
import type { StoredModel } from "../../checkpoint/stored/stored-model.ts";
import { type GgufMetadata, ggufArrayOf, SPLIT_KEYS } from "../../formats/gguf/index.ts";
import { PlanError } from "../../foundation/errors.ts";
import type { Workspace } from "../../tensor/workspace.ts";
import { familyOf } from "./families.ts";
import { copiedMetadata, modelMetadata } from "./metadata.ts";
import { type ConvertedTensor, convertedTensors } from "./tensors.ts";
import { type TokenizerFiles, tokenizerEntries } from "./tokenizer.ts";

export interface HuggingFaceOptions {
  /** `general.name`. */
  readonly name: string;
  readonly tokenizer: TokenizerFiles;
  /** Keys of another GGUF file of the same model, instead of those made of config.json. */
  readonly metadataFrom?: GgufMetadata | undefined;
  /** `tokenizer.ggml.pre`, for a tokenizer that is not known. */
  readonly tokenizerPre?: string | undefined;
}

/**
 * @throws PlanError for a family, a tokenizer or a tensor that is not known, with the remedy
 */
export function huggingFaceModel(
  stored: StoredModel,
  config: ModelConfig | undefined,
  workspace: Workspace,
  options: HuggingFaceOptions,
): { readonly metadata: GgufMetadata; readonly tensors: readonly ConvertedTensor[] } {
  const family = familyOf(config);
  const known = config as ModelConfig;
  const tensors = convertedTensors(stored, known, family, workspace);
  const rows = tensors.find(({ name }) => name === "token_embd.weight")?.dimensions[1];
  if (rows === undefined) throw new PlanError("the model has no model.embed_tokens.weight");
  const { metadataFrom } = options;
  if (metadataFrom !== undefined) {
    const metadata = copiedMetadata(metadataFrom, known, family).with([], SPLIT_KEYS);
    const tokens = metadata.get("tokenizer.ggml.tokens");
    const count = tokens?.type === "array" ? ggufArrayOf(tokens.bytes).count : rows;
    if (count === rows) return { metadata, tensors };
    throw new PlanError(`the metadata has ${count} tokens, the model's embeddings ${rows} rows`);
  }
  if (family.needsMetadata) {
    throw new PlanError(
      `the vocabulary of ${family.architecture} is SentencePiece's; copy the keys of another GGUF file of ` +
        "this model (metadataFrom, --metadata-from)",
    );
  }
  const tokenizer = tokenizerEntries(options.tokenizer, family, {
    pre: options.tokenizerPre,
    vocabularySize: rows,
  });
  return { metadata: modelMetadata(known, family, options.name).with(tokenizer), tensors };
}
