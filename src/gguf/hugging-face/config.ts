/** Numbers of config.json, with what a message must say when one is missing. */

import type { ModelConfig } from "../../checkpoint/config/model-config.ts";
import {
  type JsonObject,
  type JsonValue,
  memberOf,
  numberOf,
  stringOf,
} from "../../formats/json/index.ts";
import { FormatError, quoted } from "../../foundation/errors.ts";

export class ConfigNumbers {
  readonly #config: ModelConfig;
  readonly #json: JsonObject;

  constructor(config: ModelConfig) {
    this.#config = config;
    this.#json = config.json;
  }

  /** A member, of `rope_parameters` (transformers 5) too. */
  member(key: string): JsonValue | undefined {
    const own = memberOf(this.#json, key);
    if (own !== undefined && own.kind !== "null") return own;
    return memberOf(memberOf(this.#json, "rope_parameters"), key);
  }

  maybe(key: string): number | undefined {
    return numberOf(this.member(key));
  }

  /** @throws FormatError */
  number(key: string): number {
    const value = this.maybe(key);
    if (value !== undefined && Number.isFinite(value)) return value;
    throw new FormatError(`no number ${quoted(key)}, which GGUF needs`, {
      file: this.#config.name,
    });
  }

  get heads(): number {
    return this.number("num_attention_heads");
  }

  get keyHeads(): number {
    return this.maybe("num_key_value_heads") ?? this.heads;
  }

  get headDimension(): number {
    return this.maybe("head_dim") ?? this.number("hidden_size") / this.heads;
  }

  /** The kind of rope scaling, and where its numbers are. */
  get ropeScaling():
    | { readonly kind: string; number(key: string): number | undefined }
    | undefined {
    const found = [memberOf(this.#json, "rope_scaling"), memberOf(this.#json, "rope_parameters")];
    const json = found.find((value) => value?.kind === "object");
    const kind = stringOf(memberOf(json, "rope_type")) ?? stringOf(memberOf(json, "type"));
    if (kind === undefined || kind === "default") return undefined;
    return { kind, number: (key) => numberOf(memberOf(json, key)) };
  }
}
