/** A tokenizer.json of byte-level BPE as keys of GGUF. */

import { type GgufEntry, ggufEntry } from "../../formats/gguf/index.ts";
import { FormatError, PlanError, quoted } from "../../foundation/errors.ts";
import type { Family } from "./families.ts";

/** The texts beside a model's weights. */
export interface TokenizerFiles {
  /** tokenizer.json */
  readonly tokenizer: string | undefined;
  /** tokenizer_config.json */
  readonly tokenizerConfig?: string | undefined;
  /** chat_template.jinja, which goes before the one in tokenizer_config.json. */
  readonly chatTemplate?: string | undefined;
}

export interface TokenizerOptions {
  /** `tokenizer.ggml.pre`, how text is split before it is merged. @defaultValue of known tokenizers */
  readonly pre?: string | undefined;
  /** Rows of the embeddings: the list of tokens is as long. */
  readonly vocabularySize: number;
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

/** `tokenizer.ggml.token_type`. */
const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;

const REMEDY =
  "copy the keys of another GGUF file of this model (metadataFrom, --metadata-from), or make an F16 " +
  "file with llama.cpp's convert_hf_to_gguf.py";

/** @throws PlanError for a tokenizer that is none of these, FormatError for one that is damaged */
export function tokenizerEntries(
  files: TokenizerFiles,
  family: Family,
  options: TokenizerOptions,
): GgufEntry[] {
  const tokenizer = parsed(files.tokenizer, "tokenizer.json");
  const model = tokenizer?.model;
  const isBytes = JSON.stringify([tokenizer?.pre_tokenizer, tokenizer?.decoder]).includes(
    '"ByteLevel"',
  );
  if (model?.type !== "BPE" || !isBytes || !isRecord(model.vocab) || !Array.isArray(model.merges)) {
    throw new PlanError(`there is no tokenizer.json with byte-level BPE; ${REMEDY}`);
  }
  const added = (Array.isArray(tokenizer?.added_tokens) ? tokenizer.added_tokens : []).map(
    addedToken,
  );
  const { tokens, types } = vocabulary(model.vocab, added, options.vocabularySize);
  const pre = options.pre ?? knownPre(family, tokens);
  const config = parsed(files.tokenizerConfig, "tokenizer_config.json");
  const entries = [
    ggufEntry("tokenizer.ggml.model", "string", "gpt2"),
    ggufEntry("tokenizer.ggml.pre", "string", pre),
    ggufEntry("tokenizer.ggml.tokens", "string", tokens),
    ggufEntry("tokenizer.ggml.token_type", "int32", types),
    ggufEntry("tokenizer.ggml.merges", "string", model.merges.map(mergeText)),
  ];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  for (const [name, key] of [
    ["bos_token", "bos"],
    ["eos_token", "eos"],
    ["unk_token", "unknown"],
    ["pad_token", "padding"],
  ] as const) {
    const id = ids.get(tokenText(config?.[name]) ?? "");
    if (id !== undefined) entries.push(ggufEntry(`tokenizer.ggml.${key}_token_id`, "uint32", id));
  }
  for (const key of ["add_bos_token", "add_eos_token"]) {
    const value = config?.[key];
    if (typeof value === "boolean") entries.push(ggufEntry(`tokenizer.ggml.${key}`, "bool", value));
  }
  const template = files.chatTemplate ?? config?.chat_template;
  if (typeof template === "string") {
    entries.push(ggufEntry("tokenizer.chat_template", "string", template));
  }
  return entries;
}

function vocabulary(
  vocab: Readonly<Record<string, unknown>>,
  added: readonly AddedToken[],
  size: number,
): { readonly tokens: string[]; readonly types: number[] } {
  const tokens = Array.from({ length: size }, (_, i) => `[PAD${i}]`);
  const types = Array.from({ length: size }, () => UNUSED);
  const put = (text: string, id: unknown, type: number) => {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= size) {
      const problem = `token ${quoted(text)} has the id ${String(id)}, expected 0 to ${size - 1}`;
      throw new FormatError(problem, { file: "tokenizer.json" });
    }
    tokens[id] = text;
    types[id] = type;
  };
  for (const [text, id] of Object.entries(vocab)) put(text, id, NORMAL);
  for (const { content, id, special } of added) put(content, id, special ? CONTROL : USER_DEFINED);
  return { tokens, types };
}

/** Spaces inside a part would look like the one between the parts. */
function mergeText(merge: unknown): string {
  if (typeof merge === "string") return merge;
  if (Array.isArray(merge) && merge.length === 2) {
    return merge.map((part) => String(part).replaceAll(" ", "Ġ")).join(" ");
  }
  throw new FormatError("a merge is neither text nor a pair", { file: "tokenizer.json" });
}

/** llama 3's vocabulary, in every size of the model. */
const LLAMA3_TOKENS = ["<|begin_of_text|>", "<|end_of_text|>"];

/** How known tokenizers split text. Another one is not guessed. */
function knownPre({ architecture }: Family, tokens: readonly string[]): string {
  if (architecture === "qwen2" || architecture === "qwen3") {
    if (tokens.includes("<|im_start|>")) return "qwen2";
  }
  const isLlama3 = tokens.length >= 128_256 && LLAMA3_TOKENS.every((t) => tokens.includes(t));
  if (architecture === "llama" && isLlama3) return "llama-bpe";
  throw new PlanError(
    "how this tokenizer splits text is not known; name it as llama.cpp does (tokenizerPre, " +
      `--tokenizer-pre), or ${REMEDY}`,
  );
}

type Json = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// biome-ignore lint/suspicious/noExplicitAny: what is read of it is checked where it is used
function parsed(text: string | undefined, file: string): any {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError("it is no JSON", { file }, { cause });
  }
  if (isRecord(value)) return value;
  throw new FormatError("it holds no object", { file });
}

function addedToken(token: unknown): AddedToken {
  if (isRecord(token) && typeof token.id === "number" && typeof token.content === "string") {
    return { id: token.id, content: token.content, special: token.special === true };
  }
  throw new FormatError("an added token without id and content", { file: "tokenizer.json" });
}

/** A token as a text, or as an object with its content. */
function tokenText(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  return isRecord(token) && typeof token.content === "string" ? token.content : undefined;
}
