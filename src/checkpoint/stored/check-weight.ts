/** Whether a stored weight can be decoded into finite numbers, and was coded as its scheme says. */

import { FormatError } from "../../foundation/errors.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import type { Scales } from "../../tensor/decoder.ts";
import type { Workspace } from "../../tensor/workspace.ts";
import { DecodedSource } from "./decoded-source.ts";
import type { StoredWeight } from "./stored-weight.ts";

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of elements that a step took. */
  readonly onElements?: ((elementCount: number) => void) | undefined;
}

/**
 * Reads a weight's scales, and its codes piece by piece.
 *
 * @returns what is wrong with it; undefined when nothing is
 */
export async function problemOf(
  weight: StoredWeight,
  workspace: Workspace,
  { signal, onElements }: CheckOptions,
): Promise<string | undefined> {
  const elementCount = elementCountOf(weight.shape);
  let scales: Scales;
  try {
    scales = await weight.scales();
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
  const bad = nonFiniteIn(scales);
  if (bad !== undefined) return bad;
  const source = new DecodedSource(weight, scales, workspace, "float32");
  const isRows = weight.coding.family === "rows";
  for (let start = 0; start < elementCount; ) {
    signal?.throwIfAborted();
    const count = Math.min(source.pieceElements, elementCount - start);
    const { bytes, codes } = await source.piece(start, count);
    const values = new Float32Array(bytes.slice().buffer, 0, count);
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) return `element ${start + at} decodes to ${values[at]}; expected a finite number`;
    const wrong = isRows ? codes.subarray(0, count).indexOf(0x80) : -1;
    if (wrong >= 0) return `element ${start + wrong} has code -128; llm-int8 has -127 to 127`;
    onElements?.(count);
    start += count;
  }
  return undefined;
}

/** Looks at every float among the scales; those that are coded decode to finite values of these. */
function nonFiniteIn(scales: object, path = ""): string | undefined {
  for (const [name, value] of Object.entries(scales)) {
    const whole = path + name;
    if (value instanceof Float32Array) {
      const at = value.findIndex((each) => !Number.isFinite(each));
      if (at >= 0) return `${whole}[${at}] is ${value[at]}; expected a finite number`;
    } else if (typeof value === "number" && !Number.isFinite(value)) {
      return `${whole} is ${value}; expected a finite number`;
    } else if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
      const found = nonFiniteIn(value, `${whole}.`);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}
