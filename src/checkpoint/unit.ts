/** One source tensor and what becomes of it: the step between a plan and the bytes. */

import type { TensorEntry } from "../formats/safetensors/index.ts";
import type { FloatDtype } from "../foundation/dtype.ts";
import { ArgumentError, PlanError, quoted } from "../foundation/errors.ts";
import type { EncodedScales, EncodeJob } from "../tensor/encoder.ts";
import type { Coding } from "../tensor/options.ts";
import {
  type FinalParts,
  type Layout,
  type OutputTensor,
  outputTensor,
  SAFETENSORS_DTYPES,
  type TextSize,
  type Weight,
} from "./layouts/layout.ts";
import type { Action } from "./rules.ts";

/** How a quantized tensor is coded, and in which form it is stored. */
export interface Treatment {
  readonly coding: Coding;
  readonly layout: Layout;
}

export interface Unit {
  /** Index of the source file in the plan. */
  readonly file: number;
  readonly fileName: string;
  readonly entry: TensorEntry;
  readonly action: Action;
  /** GPT-2's Conv1D holds [in, out]; loaders expect its quantized form as [out, in]. */
  readonly transpose: boolean;
  /** Absent exactly when the tensor is copied. */
  readonly treatment?: Treatment;
}

/** The stored tensors of a unit, in the order of a forward-only file. */
export function outputsOf(unit: Unit, text: TextSize | number): OutputTensor[] {
  if (unit.treatment === undefined) {
    const { name, dtype, shape, begin, end } = unit.entry;
    return [outputTensor("copy", name, dtype, shape, end - begin)];
  }
  try {
    return unit.treatment.layout.outputs(weightOf(unit, unit.treatment), text);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    // An option that fits most tensors may not fit this one.
    const problem = `tensor ${quoted(unit.entry.name)}: ${error.message}`;
    throw new PlanError(`${problem}; choose another, or copy the tensor`, { cause: error });
  }
}

/** The encoder's job for a quantized unit. */
export function encodeJobOf(unit: Unit, treatment: Treatment): EncodeJob {
  const weight = weightOf(unit, treatment);
  const { coding, dtype, shape } = weight;
  return {
    coding,
    dtype,
    shape,
    tensor: unit.entry.name,
    file: unit.fileName,
    ...treatment.layout.encoding(weight),
  };
}

/** The bytes of a unit's parts that are known at its end. */
export function finalPartsOf(
  unit: Unit,
  treatment: Treatment,
  scales: EncodedScales,
  textBytes = 0,
): FinalParts {
  return treatment.layout.finalParts(weightOf(unit, treatment), scales, textBytes);
}

/** The weight as its module sees it. */
export function weightOf({ entry, transpose }: Unit, { coding }: Treatment): Weight {
  return {
    name: entry.name,
    dtype: floatDtypeOf(entry),
    shape: transpose ? [...entry.shape].reverse() : entry.shape,
    coding,
  };
}

/** A float tensor's dtype in PyTorch's spelling. Only called for units that are quantized. */
export function floatDtypeOf({ dtype }: Pick<TensorEntry, "dtype">): FloatDtype {
  const names = Object.entries(SAFETENSORS_DTYPES) as [FloatDtype, string][];
  return names.find(([, name]) => name === dtype)?.[0] ?? "bfloat16";
}

export type { TextSize };
