/** What the codes of a quant type can say: their levels, and which of them are at an end. */

import { largestStep } from "../metrics/code-counts.ts";
import { floatLevels } from "../schemes/float-format.ts";
import { type QuantType, schemeOf } from "../schemes/registry.ts";

export interface CodeFacts {
  /** Finite levels at scale 1 and zero point 0, ascending, none twice. */
  readonly levels: readonly number[];
  /** The codes of the lowest and the highest level, each as one byte. */
  readonly lowest: number;
  readonly highest: number;
  /** A weight within the levels' range decodes to one at most this far away, at scale 1. */
  readonly halfStep: number;
}

/** LLM.int8 rounds a weight to float16 first: of 127 steps, this many may be lost. */
const FLOAT16_STEPS = 127 * 2 ** -11;

export function codeFactsOf(quantType: QuantType): CodeFacts {
  const scheme = schemeOf(quantType);
  switch (scheme.family) {
    case "rows": {
      const plain = integers(-127, 127);
      return { ...plain, halfStep: plain.halfStep + FLOAT16_STEPS };
    }
    case "affine":
      return integers(scheme.format.lowest, scheme.format.highest);
    case "codebook":
      return facts(scheme.codebook().levels);
    case "float": {
      const { format } = scheme;
      const sign = 1 << (format.bits - 1);
      const { levels, halfStep } = facts(floatLevels(format));
      const { largestCode } = format;
      return { levels, lowest: sign | largestCode, highest: largestCode, halfStep };
    }
  }
}

function integers(lowest: number, highest: number): CodeFacts {
  const levels = Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i);
  return { levels, lowest: lowest & 0xff, highest: highest & 0xff, halfStep: 1 / 2 };
}

function facts(byCode: Float32Array): CodeFacts {
  // 0 and −0 are one level.
  const finite = [...byCode].filter(Number.isFinite).map((level) => level + 0);
  const levels = [...new Set(finite)].sort((a, b) => a - b);
  return {
    levels,
    lowest: byCode.indexOf(levels[0] as number),
    highest: byCode.indexOf(levels.at(-1) as number),
    halfStep: largestStep(levels) / 2,
  };
}
