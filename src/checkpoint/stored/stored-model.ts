/** What a checkpoint holds, quantized or not: its plain tensors, and its weights with their parts. */

import type { SafetensorsFile, TensorEntry } from "../../formats/safetensors/index.ts";
import type { FloatDtype } from "../../foundation/dtype.ts";
import { FormatError } from "../../foundation/errors.ts";
import { STATE_SUFFIX, stored4Bit, storedInt8 } from "./bitsandbytes-weight.ts";
import { PACKED_SUFFIX, storedPacked } from "./compressed-tensors-weight.ts";
import { type Located, TensorFinder } from "./finder.ts";
import { nativeWeights } from "./native-weight.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** A tensor of a checkpoint as its model sees it. */
export type StoredTensor =
  | { readonly kind: "plain"; readonly file: number; readonly entry: TensorEntry }
  | { readonly kind: "quantized"; readonly file: number; readonly weight: StoredWeight };

export interface StoredModelOptions {
  /** The checkpoint's own dtype, for weights whose stored form does not tell. */
  readonly dtype?: FloatDtype | undefined;
  /** `num_bits` of compressed-tensors in config.json. */
  readonly bits?: number | undefined;
}

export class StoredModel {
  readonly files: readonly SafetensorsFile[];
  /** Of quantized weights only: by the name of the tensor that holds the codes. */
  readonly #weights: ReadonlyMap<string, StoredWeight>;
  /** Names of everything that is stored beside codes. */
  readonly #parts: ReadonlySet<string>;

  private constructor(
    files: readonly SafetensorsFile[],
    weights: ReadonlyMap<string, StoredWeight>,
    parts: ReadonlySet<string>,
  ) {
    this.files = files;
    this.#weights = weights;
    this.#parts = parts;
  }

  /** @throws FormatError for a weight whose parts are missing or do not fit */
  static async open(
    files: readonly SafetensorsFile[],
    { dtype = "float16", bits }: StoredModelOptions = {},
  ): Promise<StoredModel> {
    const finder = new TensorFinder(files);
    const weights = new Map<string, StoredWeight>();
    const parts = new Set<string>();
    const add = (weight: StoredWeight) => {
      const codes = weight.codes.entry.name;
      if (weights.has(codes)) {
        const place = { file: weight.codes.file.source.name, tensor: codes };
        throw new FormatError("two quantized forms claim it", place);
      }
      weights.set(codes, weight);
      for (const { entry } of weight.parts) parts.add(entry.name);
    };
    for (const file of files) for (const weight of nativeWeights(finder, file)) add(weight);
    for (const located of allTensors(files)) {
      const { entry } = located;
      if (weights.has(entry.name) || parts.has(entry.name)) continue;
      if (STATE_SUFFIX.test(entry.name)) add(await stored4Bit(finder, located));
      else if (PACKED_SUFFIX.test(entry.name)) add(await storedPacked(finder, located, bits));
      else if (isInt8(finder, entry)) add(storedInt8(finder, located, dtype));
    }
    return new StoredModel(files, weights, parts);
  }

  /** Plain tensors and weights, file by file, in the order of their data. */
  *tensors(): Generator<StoredTensor> {
    for (const [file, { table }] of this.files.entries()) {
      for (let i = 0; i < table.length; i++) {
        const name = table.nameAt(i);
        const weight = this.#weights.get(name);
        if (weight !== undefined) yield { kind: "quantized", file, weight };
        else if (!this.#parts.has(name)) yield { kind: "plain", file, entry: table.at(i) };
      }
    }
  }

  /** Number of quantized weights. */
  get quantized(): number {
    return this.#weights.size;
  }
}

/** The name of a tensor as its model calls it. */
export function nameOf(tensor: StoredTensor): string {
  return tensor.kind === "plain" ? tensor.entry.name : tensor.weight.name;
}

function* allTensors(files: readonly SafetensorsFile[]): Generator<Located> {
  for (const file of files) {
    for (let i = 0; i < file.table.length; i++) yield { file, entry: file.table.at(i) };
  }
}

function isInt8(finder: TensorFinder, { name, dtype, shape }: TensorEntry): boolean {
  if (dtype !== "I8" || shape.length !== 2 || !/(^|\.)weight$/.test(name)) return false;
  return finder.find(`${name.slice(0, -"weight".length)}SCB`) !== undefined;
}
