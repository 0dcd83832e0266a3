/** What a checkpoint holds, quantized or not: its plain tensors, and its weights with their parts. */

import type { SafetensorsFile, TensorEntry } from "../../formats/safetensors/index.ts";
import { FLOAT_DTYPES, type FloatDtype } from "../../foundation/dtype.ts";
import { FormatError } from "../../foundation/errors.ts";
import { SAFETENSORS_DTYPES } from "../layouts/layout.ts";
import { STATE_SUFFIX, stored4Bit, storedInt8 } from "./bitsandbytes-weight.ts";
import { PACKED_SUFFIX, type PackedScheme, storedPacked } from "./compressed-tensors-weight.ts";
import { type Located, TensorFinder } from "./finder.ts";
import { nativeWeights } from "./native-weight.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** Names that tensors beside codes have, in the forms that are read and in some that are not. */
export const PART_NAMES =
  /\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__\w+|qweight|qzeros)$|(^|\.)(SCB|weight_format|weight_(packed|scale|scale_inv|global_scale|zero_point|shape|g_idx))$/;

/** A tensor of a checkpoint as its model sees it. */
export type StoredTensor =
  | { readonly kind: "plain"; readonly file: number; readonly entry: TensorEntry }
  | { readonly kind: "quantized"; readonly file: number; readonly weight: StoredWeight };

export interface StoredModelOptions {
  /**
   * The checkpoint's own dtype, for weights whose stored form does not tell.
   * @defaultValue that of most floats that are not quantized; float16, as bitsandbytes computes
   */
  readonly dtype?: FloatDtype | undefined;
  /** What config.json says of a module that compressed-tensors packed. */
  readonly packedScheme?: (module: string) => PackedScheme;
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
    { dtype, packedScheme = () => ({}) }: StoredModelOptions = {},
  ): Promise<StoredModel> {
    const int8Dtype = dtype ?? usualDtype(files);
    const finder = new TensorFinder(files);
    const weights = new Map<string, StoredWeight>();
    const parts = new Set<string>();
    const add = (weight: StoredWeight) => {
      const file = weight.codes.file.source.name;
      const own = [weight.codes, ...weight.parts].map(({ entry }) => entry.name);
      const twice = own.find((name) => weights.has(name) || parts.has(name));
      if (twice !== undefined) {
        throw new FormatError("two quantized weights claim it", { file, tensor: twice });
      }
      if (!own.includes(weight.name) && finder.find(weight.name) !== undefined) {
        const problem = "it is there twice, quantized and not";
        throw new FormatError(problem, { file, tensor: weight.name });
      }
      weights.set(weight.codes.entry.name, weight);
      for (const { entry } of weight.parts) parts.add(entry.name);
    };
    for (const file of files) for (const weight of nativeWeights(finder, file)) add(weight);
    for (const located of allTensors(files)) {
      const { entry } = located;
      if (weights.has(entry.name) || parts.has(entry.name)) continue;
      if (STATE_SUFFIX.test(entry.name)) add(await stored4Bit(finder, located));
      else if (PACKED_SUFFIX.test(entry.name)) {
        const module = entry.name.replace(/\.?weight_packed$/, "");
        add(await storedPacked(finder, located, packedScheme(module)));
      } else if (isInt8(finder, entry)) add(storedInt8(finder, located, int8Dtype));
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

/** The dtype of most floats beside quantized weights. */
function usualDtype(files: readonly SafetensorsFile[]): FloatDtype {
  const bytes = new Map<FloatDtype, number>();
  for (const { entry } of allTensors(files)) {
    const dtype = FLOAT_DTYPES.find((each) => SAFETENSORS_DTYPES[each] === entry.dtype);
    if (dtype === undefined || PART_NAMES.test(entry.name)) continue;
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + entry.end - entry.begin);
  }
  const [first] = [...bytes].sort(([, a], [, b]) => b - a);
  return first?.[0] ?? "float16";
}

function isInt8(finder: TensorFinder, { name, dtype, shape }: TensorEntry): boolean {
  if (dtype !== "I8" || shape.length !== 2 || !/(^|\.)weight$/.test(name)) return false;
  return finder.find(`${name.slice(0, -"weight".length)}SCB`) !== undefined;
}
