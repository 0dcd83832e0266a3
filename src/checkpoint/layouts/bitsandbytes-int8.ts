/**
 * bitsandbytes' stored form of an LLM.int8 weight `P.weight` (nn/modules.py, `Linear8bitLt`):
 *
 *   P.weight         I8 [out, in]
 *   P.SCB            F32 [out]      a sibling of the weight, not below it
 *   P.weight_format  U8 []          0 = "row", the only format that loaders still accept
 */

import { PlanError, quoted } from "../../foundation/errors.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import { bytesOf, type FinalParts, type OutputTensor, outputTensor, type Role } from "./layout.ts";

interface WeightInt8 {
  readonly name: string;
  /** [out, in]. */
  readonly shape: readonly number[];
}

/** The parts in the order of a forward-only file. `weightFormat` has an odd size: it goes last. */
export function outputsOfInt8({ name, shape }: WeightInt8): OutputTensor[] {
  const layer = layerPrefix(name);
  const rows = shape[0] as number;
  return [
    outputTensor("codes", name, "I8", shape, elementCountOf(shape)),
    outputTensor("scb", `${layer}SCB`, "F32", [rows], rows * 4),
    outputTensor("weightFormat", `${layer}weight_format`, "U8", [], 1),
  ];
}

export function finalPartsInt8(scb: Float32Array): FinalParts {
  const parts = new Map<Role, Uint8Array>();
  parts.set("scb", bytesOf(scb));
  parts.set("weightFormat", new Uint8Array([0]));
  return parts;
}

/** "a.b." of "a.b.weight". */
export function layerPrefix(name: string): string {
  if (name !== "weight" && !name.endsWith(".weight")) {
    throw new PlanError(
      `tensor ${quoted(name)}: llm-int8 stores its scales beside a tensor called "weight"; ` +
        "quantize this one to nf4 or fp4, or copy it",
    );
  }
  return name.slice(0, name.length - "weight".length);
}
