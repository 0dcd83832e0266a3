/** What the tokens of a checkpoint index mean. */

import { FormatError, quoted } from "../../foundation/errors.ts";
import type { JsonHandler } from "../json/tokenizer.ts";
import { type JsonObject, jsonObject } from "../json/tree.ts";
import { TreeBuilder } from "../json/tree-builder.ts";
import { decodeCheckedUtf8 } from "../json/utf8.ts";
import { MAX_INDEX_TENSORS, MAX_NAME_BYTES } from "./limits.ts";
import { shardNameProblem } from "./shard-name.ts";

export interface CheckpointIndex {
  /** The member `metadata` as it was read; empty when there is none. */
  readonly metadata: JsonObject;
  /** Tensor name → shard file name, in the file's order. */
  readonly weightMap: Map<string, string>;
}

/** `weight_map` goes into a Map, one string a shard; everything else into a small tree. */
export class IndexHandler implements JsonHandler {
  readonly maxStringBytes = MAX_NAME_BYTES;
  readonly #file: string;
  readonly #weightMap = new Map<string, string>();
  readonly #shards = new Map<string, string>();
  readonly #rest: TreeBuilder;
  #depth = 0;
  #hasWeightMap = false;
  #inWeightMap = false;
  #tensor: string | undefined;

  constructor(file: string) {
    this.#file = file;
    this.#rest = new TreeBuilder({ file });
  }

  /** @throws FormatError when there is no `weight_map`, or `metadata` is no object */
  finish(): CheckpointIndex {
    if (!this.#hasWeightMap) this.fail("weight_map is missing", 0);
    const top = this.#rest.value;
    const metadata = top?.kind === "object" ? top.members.get("metadata") : undefined;
    if (metadata !== undefined && metadata.kind !== "object" && metadata.kind !== "null") {
      this.fail(`metadata is ${metadata.kind}, expected an object`, 0);
    }
    const none: JsonObject = jsonObject([]);
    return {
      metadata: metadata?.kind === "object" ? metadata : none,
      weightMap: this.#weightMap,
    };
  }

  beginObject(offset: number): void {
    this.#depth += 1;
    if (!this.#inWeightMap) this.#rest.beginObject(offset);
    else if (this.#depth > 2) this.#wrong("an object", offset);
  }

  endObject(): void {
    this.#depth -= 1;
    if (!this.#inWeightMap) this.#rest.endObject();
    else {
      this.#inWeightMap = false;
      this.#tensor = undefined;
    }
  }

  beginArray(offset: number): void {
    this.#notHere("an array", offset);
    this.#depth += 1;
    this.#rest.beginArray(offset);
  }

  endArray(): void {
    this.#depth -= 1;
    this.#rest.endArray();
  }

  key(bytes: Uint8Array, start: number, end: number, offset: number): void {
    if (!this.#inWeightMap) {
      const key = decodeCheckedUtf8(bytes, start, end);
      if (this.#depth === 1 && key === "weight_map") {
        if (this.#hasWeightMap) this.fail("weight_map appears twice", offset);
        this.#hasWeightMap = true;
        this.#inWeightMap = true;
      } else this.#rest.key(bytes, start, end, offset);
      return;
    }
    this.#tensor = decodeCheckedUtf8(bytes, start, end);
    if (this.#tensor.includes("\0")) {
      this.fail("a tensor's name holds NUL, which is not allowed", offset);
    }
    if (this.#weightMap.has(this.#tensor)) {
      this.fail("this tensor is listed twice in weight_map, expected once", offset);
    }
    if (this.#weightMap.size === MAX_INDEX_TENSORS) {
      this.fail(`more than ${MAX_INDEX_TENSORS} tensors, no more are allowed`, offset);
    }
  }

  string(bytes: Uint8Array, start: number, end: number, offset: number): void {
    if (!this.#inWeightMap) {
      this.#rest.string(bytes, start, end, offset);
      return;
    }
    if (this.#tensor === undefined) this.#wrong("a string", offset);
    const name = decodeCheckedUtf8(bytes, start, end);
    let shard = this.#shards.get(name);
    if (shard === undefined) {
      const problem = shardNameProblem(name);
      if (problem !== undefined) this.fail(`shard ${quoted(name)}, expected ${problem}`, offset);
      shard = name;
      this.#shards.set(name, name);
    }
    this.#weightMap.set(this.#tensor, shard);
  }

  number(bytes: Uint8Array, start: number, end: number, offset: number): void {
    this.#notHere("a number", offset);
    this.#rest.number(bytes, start, end, offset);
  }

  word(word: "true" | "false" | "null", offset: number): void {
    this.#notHere(word, offset);
    this.#rest.word(word, offset);
  }

  fail(problem: string, offset: number): never {
    throw new FormatError(problem, { file: this.#file, tensor: this.#tensor, offset });
  }

  #notHere(got: string, offset: number): void {
    if (this.#inWeightMap) this.#wrong(got, offset);
  }

  #wrong(got: string, offset: number): never {
    const isMember = this.#tensor !== undefined;
    const expected = isMember ? "a shard file name" : "weight_map to be an object";
    this.fail(`got ${got}, expected ${expected}`, offset);
  }
}
