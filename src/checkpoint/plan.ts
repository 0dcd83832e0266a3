/** From headers and options to what every tensor becomes. No tensor byte is read. */

import type { TensorEntry } from "../formats/safetensors/index.ts";
import { ArgumentError, PlanError, quoted } from "../foundation/errors.ts";
import { type QuantType, schemeOf } from "../schemes/registry.ts";
import { type CodingOptions, codingOf, isApplicable, oneOf } from "../tensor/options.ts";
import { signOfQuantization } from "./already-quantized.ts";
import { layerRules, type ModelIdentity } from "./architectures/index.ts";
import { ConversionPlan, PLAIN_METADATA } from "./conversion-plan.ts";
import type { LayoutName } from "./layouts/layout.ts";
import { NATIVE_KEY, nativeMetadata } from "./layouts/native-metadata.ts";
import { LAYOUT_NAMES, layoutOf } from "./layouts/registry.ts";
import { ACTIONS, type Action, actionChooser, type Selection } from "./rules.ts";
import type { SourceFile } from "./source-file.ts";
import { type Treatment, type Unit, weightOf } from "./unit.ts";

/** How a checkpoint is quantized. */
export interface PlanOptions extends Selection, CodingOptions {
  /**
   * In whose form quantized tensors are stored.
   * @defaultValue "bitsandbytes" for nf4, fp4 and llm-int8, "native" for the others
   */
  readonly format?: LayoutName;
}

/** A decision is the index of an action, and this where the tensor is transposed. */
const TRANSPOSE = 0x80;

/** Number of tensors with each action; none is listed with 0, but for "copy". */
export type ActionCounts = { copy: number } & Partial<Record<Action, number>>;

/** What becomes of every tensor of a checkpoint: one byte each, whatever its size. */
export class Plan extends ConversionPlan {
  readonly files: readonly SourceFile[];
  readonly identity: ModelIdentity;
  /** The default quant type; rules may have given others to some tensors. */
  readonly quantType: QuantType;
  readonly #options: PlanOptions;
  readonly #treatments = new Map<Action, Treatment>();
  /** Number of source tensors. */
  readonly length: number;
  readonly #decisions: Uint8Array;
  /** Index of each file's first unit. */
  readonly #starts: readonly number[];
  /** Options whose globs match no tensor: most often a slip. */
  unmatched: readonly string[] = [];

  constructor(files: readonly SourceFile[], identity: ModelIdentity, options: PlanOptions) {
    super();
    this.files = files;
    this.identity = identity;
    this.#options = options;
    this.quantType = oneOf(
      "quantType",
      ACTIONS.slice(1) as QuantType[],
      options.quantType ?? "nf4",
    );
    if (options.format !== undefined) oneOf("format", LAYOUT_NAMES, options.format);
    this.#treatments.set(this.quantType, treatmentOf(this.quantType, options, true));
    const starts: number[] = [];
    let length = 0;
    for (const { table } of files) {
      starts.push(length);
      length += table.length;
    }
    this.#starts = starts;
    this.length = length;
    this.#decisions = new Uint8Array(length);
    this.#decide(options);
    this.#refuseCollisions();
  }

  /** The unit at `index`, in the order of the files and of the data in them. */
  unit(index: number): Unit {
    const file = this.#fileOf(index);
    const { name: fileName, table } = this.files[file] as SourceFile;
    const entry = table.at(index - (this.#starts[file] as number));
    const decision = this.#decisions[index] as number;
    const action = ACTIONS[decision & ~TRANSPOSE] as Action;
    const treatment = this.#treatments.get(action);
    return {
      file,
      fileName,
      entry,
      action,
      transpose: (decision & TRANSPOSE) !== 0,
      ...(treatment === undefined ? {} : { treatment }),
    };
  }

  /** How tensors of a quant type are treated, that some tensor has or that is the default. */
  treatment(quantType: QuantType): Treatment | undefined {
    return this.#treatments.get(quantType);
  }

  /** The header's `__metadata__` of a file with these units. */
  metadata(units: Iterable<number>): ReadonlyMap<string, string> {
    const weights = function* (plan: Plan) {
      for (const index of units) {
        const unit = plan.unit(index);
        if (unit.treatment?.layout.name === "native") yield weightOf(unit, unit.treatment);
      }
    };
    const ours = nativeMetadata(weights(this));
    return ours === undefined ? PLAIN_METADATA : new Map(PLAIN_METADATA).set(NATIVE_KEY, ours);
  }

  /** Number of tensors with each action. */
  counts(): ActionCounts {
    const counts: ActionCounts = { copy: 0 };
    for (const decision of this.#decisions) {
      const action = ACTIONS[decision & ~TRANSPOSE] as Action;
      counts[action] = (counts[action] ?? 0) + 1;
    }
    return counts;
  }

  #decide(options: PlanOptions): void {
    const sign = signOfQuantization(this.files);
    if (sign !== undefined) {
      throw new PlanError(
        `this checkpoint is already quantized: ${sign}. Start from the original weights, or ` +
          "expand it first with quantwise dequantize",
      );
    }
    const layers = layerRules(this.identity);
    const { choose, unmatched } = actionChooser(options, this.quantType, layers);
    let index = 0;
    for (const { table } of this.files) {
      for (let i = 0; i < table.length; i++, index++) {
        const entry = table.at(i);
        const action = choose(entry);
        if (action !== "copy" && !this.#treatments.has(action)) {
          this.#treatments.set(action, treatmentOf(action, this.#options, false));
        }
        let decision = ACTIONS.indexOf(action);
        if (action !== "copy" && isConv1d(entry, layers.kindOf(entry.name, entry.shape.length))) {
          if (this.#treatments.get(action)?.layout.name === "compressed-tensors") {
            refuseConv1d(entry);
          }
          decision |= TRANSPOSE;
        }
        this.#decisions[index] = decision;
      }
    }
    this.unmatched = unmatched();
  }

  /** A stored tensor beside a weight may have the name of a tensor that is there already. */
  #refuseCollisions(): void {
    for (const unit of this.units()) {
      if (unit.action === "copy") continue;
      for (const { name } of this.outputs(unit, "typical")) {
        if (name === unit.entry.name || this.files.every(({ table }) => table.indexOf(name) < 0))
          continue;
        throw new PlanError(
          `tensor ${quoted(name)} would be written twice: quantizing ${quoted(unit.entry.name)} ` +
            "needs that name; copy one of the two, or rename it",
        );
      }
    }
  }

  #fileOf(index: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] as number) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function isConv1d({ shape }: TensorEntry, kind: string | undefined): boolean {
  return kind === "conv1d" && shape.length === 2;
}

/** compressed-tensors packs Linear layers: transformers would start from random weights here. */
function refuseConv1d({ name }: TensorEntry): never {
  throw new PlanError(
    `tensor ${quoted(name)} belongs to a Conv1D, which compressed-tensors does not pack; use nf4, ` +
      "fp4 or llm-int8, or the native format",
  );
}

/**
 * @param isMain whether the options speak of this quant type: the others, which rules name, take
 * what applies to them
 */
function treatmentOf(quantType: QuantType, options: PlanOptions, isMain: boolean): Treatment {
  const layout = layoutOf(quantType, isMain ? options.format : formatFor(quantType, options));
  const own: CodingOptions = isMain ? options : applicable(quantType, options);
  const { mode, blockSize, granularity, axis, symmetric, doubleQuant, quantStorage } = own;
  const given = {
    quantType,
    mode,
    blockSize,
    granularity,
    axis,
    symmetric,
    doubleQuant,
    quantStorage,
  };
  const coding = codingOf(
    defined(layout.name === "compressed-tensors" ? { ...given, ...packedDefaults(own) } : given),
  );
  return { coding, layout };
}

/**
 * compressed-tensors has no place for scales of scales, and its loaders prefer symmetric weights:
 * transformers loads others in some versions only.
 */
function packedDefaults({ symmetric, doubleQuant, granularity }: CodingOptions): CodingOptions {
  if (doubleQuant === true) {
    const expected = "false for compressed-tensors, which has no place for it (native has)";
    throw new ArgumentError("doubleQuant", expected, doubleQuant);
  }
  if (granularity === "tensor") {
    const expected = '"channel" or "block" for compressed-tensors: vLLM packs no others';
    throw new ArgumentError("granularity", expected, granularity);
  }
  return { symmetric: symmetric ?? true, doubleQuant: false };
}

/** A format that was asked for, where it can hold this quant type. */
function formatFor(quantType: QuantType, { format }: PlanOptions): LayoutName | undefined {
  try {
    return layoutOf(quantType, format).name;
  } catch {
    return undefined;
  }
}

function applicable(quantType: QuantType, options: PlanOptions): CodingOptions {
  const scheme = schemeOf(quantType);
  const hasOwnBlocks = scheme.family === "float" && scheme.fixedBlockSize !== undefined;
  const entries = CODING_OPTIONS.filter(
    (option) =>
      isApplicable(option, quantType) &&
      !(hasOwnBlocks && GRAIN_OPTIONS.has(option)) &&
      !(option === "doubleQuant" && (options.granularity ?? "block") !== "block") &&
      !(option === "symmetric" && scheme.family === "affine" && !scheme.format.signed),
  ).map((option) => [option, options[option]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

const CODING_OPTIONS = [
  "mode",
  "blockSize",
  "granularity",
  "axis",
  "symmetric",
  "doubleQuant",
  "quantStorage",
] as const;

const GRAIN_OPTIONS: ReadonlySet<string> = new Set(["blockSize", "granularity", "axis"]);

function defined<Options extends object>(
  options: {
    [Key in keyof Options]: Options[Key] | undefined;
  },
): Options {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Options;
}
