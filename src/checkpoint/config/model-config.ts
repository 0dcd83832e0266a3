/** What config.json says about a model, read without trusting it. */

import {
  booleanOf,
  type JsonObject,
  memberOf,
  parseJsonObject,
  stringOf,
} from "../../formats/json/index.ts";
import { FLOAT_DTYPES, type FloatDtype } from "../../foundation/dtype.ts";
import { PlanError } from "../../foundation/errors.ts";
import type { ModelIdentity } from "../architectures/index.ts";

/** A model's config.json, parsed without losing a number's spelling. */
export interface ModelConfig {
  /** How messages call it. */
  readonly name: string;
  readonly json: JsonObject;
}

/** @throws FormatError for a file that is no JSON object */
export function parseModelConfig(bytes: Uint8Array, name: string): ModelConfig {
  return { name, json: parseJsonObject(bytes, name) };
}

/** @throws PlanError for a model that is already quantized */
export function refuseQuantized(config: ModelConfig | undefined): void {
  const quantization = memberOf(config?.json, "quantization_config");
  if (config === undefined || quantization === undefined || quantization.kind === "null") return;
  const method = stringOf(memberOf(quantization, "quant_method")) ?? "an unnamed method";
  throw new PlanError(
    `${config.name}: this checkpoint is already quantized (quantization_config: ${method}). ` +
      "Start from the original weights, or expand it with quantwise dequantize",
  );
}

export function identityOf(config: ModelConfig | undefined): ModelIdentity {
  const json = config?.json;
  const architectures = memberOf(json, "architectures");
  const names = architectures?.kind === "array" ? architectures.items.map(stringOf) : [];
  return {
    modelType: stringOf(memberOf(json, "model_type")),
    architectures: names.filter((name) => name !== undefined),
    tieWordEmbeddings: booleanOf(memberOf(json, "tie_word_embeddings")),
  };
}

/** The checkpoint's own dtype: `dtype` (transformers 5) or `torch_dtype` (before). */
export function configDtype(config: ModelConfig | undefined): FloatDtype | undefined {
  const json = config?.json;
  const name = stringOf(memberOf(json, "dtype")) ?? stringOf(memberOf(json, "torch_dtype"));
  return FLOAT_DTYPES.find((dtype) => dtype === name);
}
