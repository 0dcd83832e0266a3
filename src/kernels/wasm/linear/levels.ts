/** Where linear.wasm has its levels: assembly/linear/table.ts. */

import type { LinearLevels } from "../../linear-kernels.ts";
import { levelsTable4 } from "../tables/table4.ts";

export const LEVELS_PTR = 1024;
export const INTEGER_LEVELS_PTR = 3584;

const tables = /* @__PURE__ */ new WeakMap<LinearLevels, Uint8Array>();

/** The table of assembly/lanes/levels4.ts, built once for each levels. */
export function linearLevelsTable(levels: LinearLevels): Uint8Array {
  let table = tables.get(levels);
  if (table === undefined) {
    table = levelsTable4({ name: "linear", bits: 4, levels: levels.levels });
    tables.set(levels, table);
  }
  return table;
}
