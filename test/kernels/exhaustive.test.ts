/**
 * Every f32 in [−1, 1] through the fast 4-bit kernels. Takes about a minute, so only with
 * QUANTWISE_EXHAUSTIVE=1; bench/notes.md has the last result.
 */

import { describe, it } from "vitest";
import { embeddedModule } from "../../src/kernels/wasm/embedded-module.ts";
import { instantiateKernels } from "../../src/kernels/wasm/instantiate.ts";
import { builtTable4 } from "../../src/kernels/wasm/tables/installed.ts";
import { FP4 } from "../../src/schemes/fp4.ts";
import { NF4 } from "../../src/schemes/nf4.ts";
import { sameBytes } from "./calls.ts";
import { MODES } from "./cases.ts";

const ONE_BITS = 0x3f800000;
const RUN = 1 << 20;
const BLOCK = 4096;

const { exports, memory } = instantiateKernels(embeddedModule("baseline"));
const tablePtr = Math.ceil(exports.heapBase() / 16) * 16;
const absmaxPtr = tablePtr + 1024;
const valuesPtr = absmaxPtr + 4 * (RUN / BLOCK);
const fastPtr = valuesPtr + 4 * RUN;
const exactPtr = fastPtr + RUN / 2;

describe.runIf(process.env.QUANTWISE_EXHAUSTIVE === "1")("every f32 in [−1, 1]", () => {
  memory.grow(Math.ceil((exactPtr + RUN / 2) / 65536));
  const words = new Uint32Array(memory.buffer, valuesPtr, RUN);
  const bytes = (ptr: number) => new Uint8Array(memory.buffer, ptr, RUN / 2);

  const cases = [NF4, FP4].flatMap((codebook) => MODES.map((mode) => ({ codebook, mode })));

  it.each(cases)("$codebook.name, $mode", { timeout: 600_000 }, ({ codebook, mode }) => {
    const { kind, bytes: table } = builtTable4(codebook, mode);
    const fast =
      kind === "sloped" ? exports.quantizeF32ToCode4Sloped : exports.quantizeF32ToCode4Mirrored;
    new Uint8Array(memory.buffer).set(table, tablePtr);
    new Float32Array(memory.buffer, absmaxPtr, RUN / BLOCK).fill(1);
    for (const sign of [0, 0x80000000]) {
      for (let first = 0; first <= ONE_BITS; first += RUN) {
        for (let i = 0; i < RUN; i++) words[i] = sign + Math.min(first + i, ONE_BITS);
        fast(valuesPtr, absmaxPtr, tablePtr, fastPtr, RUN, BLOCK);
        exports.quantizeF32ToCode4Exact(valuesPtr, absmaxPtr, tablePtr, exactPtr, RUN, BLOCK);
        sameBytes(bytes(fastPtr), bytes(exactPtr), `from bits ${sign + first}`);
      }
    }
  });
});
