/** Which records the kernels read as they are, and in what form. */

import type { WeightCodes } from "../kernels/linear-kernels.ts";
import { INVERSE_127 } from "../kernels/reference/int8-rows.ts";
import { type QuantType, schemeOf } from "../schemes/registry.ts";
import { newDecoder } from "../tensor/new-decoder.ts";
import type { QuantizedTensor } from "../tensor/quantized-tensor.ts";
import { ScaleGrid } from "../tensor/scale-grid.ts";
import type { Workspace } from "../tensor/workspace.ts";
import { levelsOf } from "./levels.ts";

/** Columns that the kernels take at once at least. */
const GRAIN = 32;
/** Columns of a group whose int8 products fit 32 bits, zero point included. */
const LONGEST_INT8_GROUP = 2 ** 18;

export interface Layout {
  readonly codes: WeightCodes;
  readonly columnCount: number;
  /** Columns with one scale. */
  readonly groupLength: number;
  /** What a unit of the integers is worth beside int8 activations, an f32. */
  readonly unit: number;
  /** Whether int8 activations are possible. */
  readonly takesInt8: boolean;
}

/** Undefined for a record that must be decoded piece by piece: see docs/linear.md. */
export function layoutOf(record: QuantizedTensor): Layout | undefined {
  const [, columnCount] = record.shape as readonly [number, number];
  const groupLength = groupLengthOf(record, columnCount);
  if (columnCount === 0 || groupLength % GRAIN !== 0) return undefined;
  const codes = codesOf(record.quantType);
  if (codes === undefined) return undefined;
  const unit = record.quantType === "llm-int8" ? INVERSE_127 : unitOf(codes);
  return { codes, columnCount, groupLength, unit, takesInt8: groupLength <= LONGEST_INT8_GROUP };
}

function groupLengthOf(record: QuantizedTensor, columnCount: number): number {
  if (!("granularity" in record)) {
    const length = "blockSize" in record ? record.blockSize : columnCount;
    return greatestCommonDivisor(columnCount, length);
  }
  const { granularity, axis = 0, blockSize = 1 } = record;
  if (granularity === "block") {
    return greatestCommonDivisor(columnCount, Math.min(blockSize, columnCount));
  }
  // A scale a column is no group.
  return granularity === "channel" && axis !== 0 && axis !== -2 ? 1 : columnCount;
}

function codesOf(quantType: QuantType): WeightCodes | undefined {
  const { bits, family } = schemeOf(quantType);
  if (bits === 4) return { bits, levels: levelsOf(quantType) };
  if (family === "rows") return { bits, factor: INVERSE_127 };
  return family === "affine" ? { bits, factor: 1 } : undefined;
}

function unitOf(codes: WeightCodes): number {
  return codes.bits === 4 ? (codes.levels as ReturnType<typeof levelsOf>).unit : 1;
}

/** Writes the codes as the kernels read them. */
export function writeCodes(record: QuantizedTensor, target: Uint8Array<ArrayBuffer>): void {
  const { codes } = record;
  target.set(new Uint8Array(codes.buffer, codes.byteOffset, codes.byteLength));
  const scheme = schemeOf(record.quantType);
  const words = new Uint32Array(target.buffer, target.byteOffset, target.byteLength / 4);
  if (scheme.bits === 4 && scheme.family !== "codebook") {
    // The even element comes low in these schemes.
    for (let i = 0; i < words.length; i++) {
      const word = words[i] as number;
      words[i] = ((word & 0x0f0f0f0f) << 4) | ((word >>> 4) & 0x0f0f0f0f);
    }
  } else if (isUnsigned8(record.quantType)) {
    for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ 0x80808080;
  }
}

/** f32, one a group, row by row. */
export function scalesOf(
  record: QuantizedTensor,
  { columnCount, groupLength }: Layout,
  workspace: Workspace,
): Float32Array {
  if (record.quantType === "llm-int8") return record.scb;
  const elementCount = (record.shape[0] as number) * columnCount;
  const scales = new Float32Array(elementCount / groupLength);
  newDecoder(workspace, record, "float32").eachScale(0, elementCount, (from, to, scale) => {
    scales.fill(scale, from / groupLength, to / groupLength);
  });
  return scales;
}

/** i16, one a group; undefined where all are 0. */
export function zeroPointsOf(
  record: QuantizedTensor,
  { columnCount, groupLength }: Layout,
): Int16Array | undefined {
  const isUnsigned = isUnsigned8(record.quantType);
  const own = "zeroPoint" in record ? record.zeroPoint : undefined;
  if (own === undefined && !isUnsigned) return undefined;
  const elementCount = (record.shape[0] as number) * columnCount;
  const grid = "granularity" in record ? new ScaleGrid(record.shape, record) : undefined;
  return Int16Array.from({ length: elementCount / groupLength }, (_, group) => {
    const scale = (grid?.runOf(group * groupLength) ?? 0) % (grid?.scaleCount ?? 1);
    return (own?.[scale] ?? 0) - (isUnsigned ? 128 : 0);
  });
}

/** Kernels read signed bytes: these codes and their zero points are 128 less. */
function isUnsigned8(quantType: QuantType): boolean {
  const scheme = schemeOf(quantType);
  return scheme.family === "affine" && scheme.bits === 8 && !scheme.format.signed;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
