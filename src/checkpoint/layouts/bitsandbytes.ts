/** What bitsandbytes stores: NF4 and FP4 with a `quant_state`, LLM.int8 with `SCB`. */

import type { CodebookCoding } from "../../tensor/options.ts";
import {
  finalParts4Bit,
  outputsOf4Bit,
  quantStateLengths,
  type Weight4Bit,
} from "./bitsandbytes-4bit.ts";
import { finalPartsInt8, outputsOfInt8 } from "./bitsandbytes-int8.ts";
import type { Layout, Weight } from "./layout.ts";

export const BITSANDBYTES_TYPES = ["nf4", "fp4", "llm-int8"] as const;

export const bitsandbytes: Layout = {
  name: "bitsandbytes",

  outputs(weight, text) {
    if (!is4Bit(weight)) return outputsOfInt8(weight);
    return outputsOf4Bit(weight, typeof text === "number" ? text : quantStateLengths(weight)[text]);
  },

  finalParts(weight, scales, textBytes) {
    if (scales.family === "rows") return finalPartsInt8(scales.scb);
    if (scales.family === "codebook" && is4Bit(weight)) {
      return finalParts4Bit(weight, scales, textBytes);
    }
    throw new TypeError(`bitsandbytes has no form for ${weight.coding.quantType}`);
  },

  encoding: () => ({}),
};

function is4Bit(weight: Weight): weight is Weight4Bit {
  const { family, quantType } = weight.coding satisfies {
    quantType: CodebookCoding["quantType"] | string;
  };
  return family === "codebook" && (quantType === "nf4" || quantType === "fp4");
}
