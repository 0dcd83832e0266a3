/** From headers and options to what every tensor becomes. No tensor byte is read. */

import type { TensorEntry } from "../formats/safetensors/index.ts";
import { PlanError, quoted } from "../foundation/errors.ts";
import { type CodingOptions, codingOf, oneOf } from "../tensor/options.ts";
import { signOfQuantization } from "./already-quantized.ts";
import { layerRules, type ModelIdentity } from "./architectures/index.ts";
import type { OutputTensor } from "./layouts/layout.ts";
import {
  type Action,
  actionChooser,
  CHECKPOINT_QUANT_TYPES,
  type CheckpointQuantType,
  type Selection,
} from "./rules.ts";
import type { SourceFile } from "./source-file.ts";
import { type JobCoding, outputsOf, type TextSize, type Unit } from "./unit.ts";

/** How a checkpoint is quantized. */
export interface PlanOptions extends Selection, Omit<CodingOptions, "quantType"> {
  /** What the selected tensors become. @defaultValue "nf4" */
  readonly quantType?: CheckpointQuantType;
}

const ACTIONS: readonly Action[] = ["copy", "nf4", "fp4", "llm-int8"];
const TRANSPOSE = 4;

/** What becomes of every tensor of a checkpoint: one byte each, whatever its size. */
export class Plan {
  readonly files: readonly SourceFile[];
  readonly identity: ModelIdentity;
  /** The default quant type; rules may have given others to some tensors. */
  readonly quantType: CheckpointQuantType;
  readonly coding: JobCoding;
  /** Number of source tensors. */
  readonly length: number;
  readonly #decisions: Uint8Array;
  /** Index of each file's first unit. */
  readonly #starts: readonly number[];

  constructor(files: readonly SourceFile[], identity: ModelIdentity, options: PlanOptions) {
    const coding = codingOf({
      ...options,
      // Rules may ask for 4-bit types beside LLM.int8: their settings are checked either way.
      quantType: options.quantType === "fp4" ? "fp4" : "nf4",
    });
    this.files = files;
    this.identity = identity;
    this.quantType = oneOf("quantType", CHECKPOINT_QUANT_TYPES, options.quantType ?? "nf4");
    this.coding = coding;
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
    return {
      file,
      fileName,
      entry,
      action: ACTIONS[decision & 3] as Action,
      transpose: (decision & TRANSPOSE) !== 0,
    };
  }

  *units(): Generator<Unit> {
    for (let index = 0; index < this.length; index++) yield this.unit(index);
  }

  outputs(unit: Unit, text: TextSize | number): OutputTensor[] {
    return outputsOf(unit, this.coding, text);
  }

  /** Number of tensors with each action. */
  counts(): Record<Action, number> {
    const counts: Record<Action, number> = { copy: 0, nf4: 0, fp4: 0, "llm-int8": 0 };
    for (const decision of this.#decisions) counts[ACTIONS[decision & 3] as Action]++;
    return counts;
  }

  #decide(options: PlanOptions): void {
    const sign = signOfQuantization(this.files);
    if (sign !== undefined) {
      throw new PlanError(
        `this checkpoint is already quantized: ${sign}. Start from the original weights`,
      );
    }
    const layers = layerRules(this.identity);
    const choose = actionChooser(options, this.quantType, layers);
    let index = 0;
    for (const { table } of this.files) {
      for (let i = 0; i < table.length; i++, index++) {
        const entry = table.at(i);
        const action = choose(entry);
        let decision = ACTIONS.indexOf(action);
        if (action !== "copy" && isConv1d(entry, layers.kindOf(entry.name, entry.shape.length))) {
          decision |= TRANSPOSE;
        }
        this.#decisions[index] = decision;
      }
    }
  }

  /** A stored tensor beside a weight may have the name of a tensor that is there already. */
  #refuseCollisions(): void {
    for (const unit of this.units()) {
      if (unit.action === "copy") continue;
      for (const { name, role } of this.outputs(unit, "typical")) {
        if (role === "codes" || this.files.every(({ table }) => table.indexOf(name) < 0)) continue;
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
