/** Recognises checkpoints that somebody already quantized: quantizing twice helps nobody. */

import { NATIVE_KEY } from "./layouts/native-metadata.ts";
import type { SourceFile } from "./source-file.ts";

/** Tensor names that only quantized checkpoints have, and whose they are. */
const COMPANIONS: readonly (readonly [RegExp, string])[] = [
  [/\.quant_state\.bitsandbytes__(nf4|fp4)$/, "bitsandbytes 4-bit"],
  [/(^|\.)weight_format$|(^|\.)SCB$/, "bitsandbytes LLM.int8"],
  [/\.(qweight|qzeros)$/, "GPTQ or AWQ"],
  [/\.(weight_packed|weight_scale|weight_scale_inv)$/, "compressed-tensors or FP8"],
  [/_(blocks|scales)$/, "MXFP4"],
];

/** What gives the checkpoint away, in words; undefined when nothing does. */
export function signOfQuantization(files: readonly SourceFile[]): string | undefined {
  for (const { name, table } of files) {
    if (table.metadata.has(NATIVE_KEY)) return `${name} is in quantwise's own format`;
    for (let i = 0; i < table.length; i++) {
      const tensor = table.nameAt(i);
      const found = COMPANIONS.find(([pattern]) => pattern.test(tensor));
      if (found === undefined) continue;
      // MXFP4 experts come as U8 blocks; floats of that name are somebody's ordinary weights.
      if (found[1] === "MXFP4" && table.at(i).dtype !== "U8") continue;
      return `${name} holds tensor "${tensor}" (${found[1]})`;
    }
  }
  return undefined;
}
