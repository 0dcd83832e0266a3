/** What the codes of a quant type can say: their levels, and which of them are at an end. */

import { floatLevels } from "../schemes/float-format.ts";
import { type QuantType, schemeOf } from "../schemes/registry.ts";

export interface CodeFacts {
  /** Finite levels at scale 1 and zero point 0, ascending, none twice. */
  readonly levels: readonly number[];
  /** The codes of the lowest and the highest level, each as one byte. */
  readonly lowest: number;
  readonly highest: number;
}

export function codeFactsOf(quantType: QuantType): CodeFacts {
  const scheme = schemeOf(quantType);
  switch (scheme.family) {
    case "rows":
      return integers(-127, 127);
    case "affine":
      return integers(scheme.format.lowest, scheme.format.highest);
    case "codebook":
      return facts(scheme.codebook().levels);
    case "float": {
      const { format } = scheme;
      const sign = 1 << (format.bits - 1);
      const { levels } = facts(floatLevels(format));
      return { levels, lowest: sign | format.largestCode, highest: format.largestCode };
    }
  }
}

function integers(lowest: number, highest: number): CodeFacts {
  const levels = Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i);
  return { levels, lowest: lowest & 0xff, highest: highest & 0xff };
}

function facts(byCode: Float32Array): CodeFacts {
  // 0 and −0 are one level.
  const finite = [...byCode].filter(Number.isFinite).map((level) => level + 0);
  const levels = [...new Set(finite)].sort((a, b) => a - b);
  return {
    levels,
    lowest: byCode.indexOf(levels[0] as number),
    highest: byCode.indexOf(levels.at(-1) as number),
  };
}
