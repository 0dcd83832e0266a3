/** Tables in WASM memory: built once a codebook and mode or a format, copied in when another was there. */

import type { Codebook, QuantMode } from "../../../schemes/codebook.ts";
import { floatLevelsTable } from "./float-levels.ts";
import { levelsTable4, quantizeTable4, type Table4 } from "./table4.ts";
import { quantizeTable8, type Table8 } from "./table8.ts";

/** Shared by all sets. A codebook or format is taken to be immutable. */
function remembered<Scheme extends object, Table extends object>(
  build: (scheme: Scheme) => Table,
): (scheme: Scheme) => Table {
  const built = new WeakMap<Scheme, Table>();
  return (scheme) => {
    let table = built.get(scheme);
    if (table === undefined) {
      table = build(scheme);
      built.set(scheme, table);
    }
    return table;
  };
}

const tables4: Record<QuantMode, (codebook: Codebook) => Table4> = {
  torch: /* @__PURE__ */ remembered((codebook: Codebook) => quantizeTable4(codebook, "torch")),
  cuda: /* @__PURE__ */ remembered((codebook: Codebook) => quantizeTable4(codebook, "cuda")),
};

const tables8: Record<QuantMode, (codebook: Codebook) => Table8> = {
  torch: /* @__PURE__ */ remembered((codebook: Codebook) => quantizeTable8(codebook, "torch")),
  cuda: /* @__PURE__ */ remembered((codebook: Codebook) => quantizeTable8(codebook, "cuda")),
};

export function builtTable4(codebook: Codebook, mode: QuantMode): Table4 {
  return tables4[mode](codebook);
}

export function builtTable8(codebook: Codebook, mode: QuantMode): Table8 {
  return tables8[mode](codebook);
}

export const builtLevels4 = /* @__PURE__ */ remembered(levelsTable4);

/** f32[256] as bytes. */
export const builtLevels8 = /* @__PURE__ */ remembered(
  ({ levels }: Codebook) => new Uint8Array(levels.slice().buffer),
);

export const builtFloatLevels = /* @__PURE__ */ remembered(floatLevelsTable);

/** One place in memory that holds one of several tables at a time. */
export class TableSlot {
  private readonly ptr: number;
  private readonly memory: WebAssembly.Memory;
  private content: Uint8Array | undefined;

  constructor(memory: WebAssembly.Memory, ptr: number) {
    this.memory = memory;
    this.ptr = ptr;
  }

  /** The address, where `table` now is. */
  install(table: Uint8Array): number {
    if (this.content !== table) {
      new Uint8Array(this.memory.buffer).set(table, this.ptr);
      this.content = table;
    }
    return this.ptr;
  }
}
