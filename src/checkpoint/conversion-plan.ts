/** What writing a checkpoint needs to know: its units, and what is stored of each. */

import type { OutputTensor } from "./layouts/layout.ts";
import type { SourceFile } from "./source-file.ts";
import { outputsOf, type TextSize, type Unit } from "./unit.ts";

export abstract class ConversionPlan {
  abstract readonly files: readonly SourceFile[];
  /** Number of units. */
  abstract readonly length: number;
  /** The unit at `index`. */
  abstract unit(index: number): Unit;
  /** The header's `__metadata__` of a file with these units. */
  abstract metadata(units: Iterable<number>): ReadonlyMap<string, string>;

  *indices(): Generator<number> {
    for (let index = 0; index < this.length; index++) yield index;
  }

  *units(): Generator<Unit> {
    for (let index = 0; index < this.length; index++) yield this.unit(index);
  }

  outputs(unit: Unit, text: TextSize | number): OutputTensor[] {
    return outputsOf(unit, text);
  }
}

/** transformers refuses a checkpoint whose format is not "pt". */
export const PLAIN_METADATA: ReadonlyMap<string, string> = new Map([["format", "pt"]]);
