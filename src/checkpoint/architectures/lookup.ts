/** Finds the row of the generated table, and the class's part of it, for a model. */
import type { ModelIdentity } from "./identity.ts";
import { type PatternSet, patternSet } from "./patterns.ts";
import type { ArchitectureRow } from "./row.ts";
import { ARCHITECTURES } from "./table.generated.ts";

export interface Architecture {
  readonly row: ArchitectureRow;
  /** What follows the stem in the class name ("ForCausalLM"), if the table lists that class. */
  readonly suffix: string | undefined;
  /** Patterns that a null list leaves in float, in any of the loaders. */
  readonly keep: PatternSet;
  /** Whether every loader leaves exactly `keep` (and the forced ones) in float. */
  readonly agreed: boolean;
}

export function architectureOf(identity: ModelIdentity): Architecture | undefined {
  for (const row of ARCHITECTURES) {
    for (const word of row.types.split(" ")) {
      const [type, name = ""] = word.split("=");
      if (type !== identity.modelType) continue;
      const mark = name.at(-1);
      const stem = mark === "+" || mark === "?" ? name.slice(0, -1) : name;
      const byDefault = mark === "?" ? undefined : mark === "+";
      const tied = identity.tieWordEmbeddings ?? byDefault;
      return { row, ...keepOf(row, stem, identity.architectures[0], tied) };
    }
  }
  return undefined;
}

function keepOf(
  row: ArchitectureRow,
  stem: string,
  className: string | undefined,
  tied: boolean | undefined,
): Omit<Architecture, "row"> {
  const every: string[] = [];
  for (const part of row.keep.split(";")) {
    const equals = part.lastIndexOf("=");
    const values = part.slice(0, equals).split(" | ");
    const untiedValue = values[0] ?? "";
    const tiedValue = values[1] ?? untiedValue;
    every.push(untiedValue, tiedValue);
    for (const suffix of part.slice(equals + 1).split(" ")) {
      if (stem + suffix !== className) continue;
      const chosen =
        tied === undefined ? [untiedValue, tiedValue] : [tied ? tiedValue : untiedValue];
      const agreed = new Set(chosen).size === 1 && !untiedOrTied(chosen).startsWith("!");
      return { suffix, keep: patternSet(...chosen.map(unmarked)), agreed };
    }
  }
  return { suffix: undefined, keep: patternSet(...every.map(unmarked)), agreed: false };
}

function untiedOrTied(values: readonly string[]): string {
  return values[0] ?? "";
}

function unmarked(value: string): string {
  return value.startsWith("!") ? value.slice(1) : value;
}
