/** The embedding kernels on WebAssembly: no tails and no tables are left to the host. */

import type { EmbeddingKernels } from "../embedding-kernels.ts";
import type { KernelExports } from "./exports.ts";
import { INFINITY_BITS } from "./float-kernels.ts";

export function embeddingKernels(exports: KernelExports): EmbeddingKernels {
  return {
    columnExtremes: (...call) => isFiniteTop(exports.columnExtremesF32(...call)),

    quantizeColumns: (signed, ...call) =>
      isFiniteTop(exports.quantizeF32ToColumns8(...call, offset(signed))),

    dequantizeColumns(signed, ...call) {
      exports.dequantizeColumns8ToF32(...call, offset(signed));
    },

    packSigns: (signed, ...call) => isFiniteTop(exports.packSignsF32(...call, offset(signed))),

    hammingDistances(...call) {
      exports.hammingDistances(...call);
    },

    dotCodes(signed, ...call) {
      exports.dotF32Code8(...call, offset(!signed));
    },
  };
}

/** Whether the largest magnitude, as bits, is a finite one. */
function isFiniteTop(top: number): boolean {
  return top < INFINITY_BITS;
}

/** Subtracting 128 from a byte, or adding it, turns its highest bit around. */
function offset(signed: boolean): number {
  return signed ? 0x80 : 0;
}
