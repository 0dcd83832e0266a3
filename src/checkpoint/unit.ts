/** One source tensor and what becomes of it: the step between a plan and the bytes. */

import type { TensorEntry } from "../formats/safetensors/index.ts";
import type { FloatDtype } from "../foundation/dtype.ts";
import { elementCountOf } from "../foundation/shape.ts";
import type { Coding } from "../tensor/options.ts";
import type { EncodedScales, EncodeJob } from "../tensor/tensor-encoder.ts";
import {
  finalParts4Bit,
  outputsOf4Bit,
  quantStateLengths,
  type Weight4Bit,
} from "./layouts/bitsandbytes-4bit.ts";
import { finalPartsInt8, outputsOfInt8 } from "./layouts/bitsandbytes-int8.ts";
import { type FinalParts, type OutputTensor, outputTensor } from "./layouts/layout.ts";
import type { Action } from "./rules.ts";

export interface Unit {
  /** Index of the source file in the plan. */
  readonly file: number;
  readonly fileName: string;
  readonly entry: TensorEntry;
  readonly action: Action;
  /** GPT-2's Conv1D holds [in, out]; loaders expect its quantized form as [out, in]. */
  readonly transpose: boolean;
}

/**
 * Size of a double quantized tensor's JSON text, whose offset is data: `typical` guesses it, the
 * others bound it.
 */
export type TextSize = "shortest" | "typical" | "longest";

/** How the whole job codes its tensors; the action of a unit says which quant type. */
export type JobCoding = Omit<Coding, "quantType">;

/** The stored tensors of a unit, in the order of a forward-only file. */
export function outputsOf(unit: Unit, coding: JobCoding, text: TextSize | number): OutputTensor[] {
  const { entry, action } = unit;
  switch (action) {
    case "copy": {
      const { name, dtype, shape, begin, end } = entry;
      return [outputTensor("copy", name, dtype, shape, end - begin)];
    }
    case "llm-int8":
      return outputsOfInt8({ name: entry.name, shape: outputShape(unit) });
    case "nf4":
    case "fp4": {
      const weight = weight4Bit(unit, action, coding);
      return outputsOf4Bit(
        weight,
        typeof text === "number" ? text : quantStateLengths(weight)[text],
      );
    }
  }
}

/** The encoder's job for a quantized unit. */
export function encodeJobOf(unit: Unit, coding: JobCoding): EncodeJob {
  const { entry, action } = unit;
  const shape = outputShape(unit);
  const job = {
    ...coding,
    dtype: floatDtypeOf(entry),
    elementCount: elementCountOf(shape),
    tensor: entry.name,
    file: unit.fileName,
  };
  if (action === "llm-int8") {
    return { ...job, quantType: action, doubleQuant: false, columnCount: shape[1] as number };
  }
  return { ...job, quantType: action as "nf4" | "fp4" };
}

/** The bytes of a unit's parts that are known at its end. */
export function finalPartsOf(
  unit: Unit,
  coding: JobCoding,
  scales: EncodedScales,
  quantStateBytes = 0,
): FinalParts {
  if (unit.action === "llm-int8") return finalPartsInt8(scales);
  const weight = weight4Bit(unit, unit.action as "nf4" | "fp4", coding);
  return finalParts4Bit(weight, scales, quantStateBytes);
}

/** Shape of the weight as its module sees it. */
function outputShape({ entry, transpose }: Unit): readonly number[] {
  return transpose ? [...entry.shape].reverse() : entry.shape;
}

function weight4Bit(unit: Unit, quantType: "nf4" | "fp4", coding: JobCoding): Weight4Bit {
  const { blockSize, doubleQuant, quantStorage } = coding;
  return {
    name: unit.entry.name,
    dtype: floatDtypeOf(unit.entry),
    shape: outputShape(unit),
    quantType,
    blockSize,
    doubleQuant,
    quantStorage,
  };
}

/** A float tensor's dtype in PyTorch's spelling. Only called for units that are quantized. */
export function floatDtypeOf({ dtype }: TensorEntry): FloatDtype {
  return dtype === "F32" ? "float32" : dtype === "F16" ? "float16" : "bfloat16";
}
