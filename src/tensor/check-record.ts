/** A quantized record is data that anybody may have changed: every part must fit the shape. */

import { ArgumentError } from "../foundation/errors.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { QUANT_TYPES, SCHEMES, schemeOf } from "../schemes/registry.ts";
import { codeBytesOf } from "./code-bytes.ts";
import { expectArray } from "./expect-array.ts";
import { BLOCK_SIZES_4BIT, GRANULARITIES, LARGEST_BLOCK_SIZE, oneOf } from "./options.ts";
import { checkedColumns } from "./outliers.ts";
import type {
  Quantized4Bit,
  QuantizedAffine,
  QuantizedDynamic8,
  QuantizedFloat,
  QuantizedInt8,
  QuantizedTensor,
} from "./quantized-tensor.ts";
import { ScaleGrid } from "./scale-grid.ts";

/** @returns the number of elements, having checked that every part of the record fits the shape */
export function checkRecord(quantized: QuantizedTensor): number {
  if (typeof quantized !== "object" || quantized === null) {
    throw new ArgumentError("quantized", "a record that quantize returned", quantized);
  }
  oneOf("quantized.quantType", QUANT_TYPES, quantized.quantType);
  for (const part in quantized) {
    if (quantized[part as keyof QuantizedTensor] !== null) continue;
    throw new ArgumentError(`quantized.${part}`, "a value, or no member", null);
  }
  const elementCount = elementCountOf(quantized.shape);
  const codeBytes = codeBytesOf(quantized.quantType, elementCount);
  expectArray("quantized.codes", quantized.codes, BYTES, codeBytes);
  switch (schemeOf(quantized.quantType).family) {
    case "rows":
      checkRows(quantized as QuantizedInt8);
      break;
    case "codebook":
      if (quantized.quantType === "dynamic8") checkDynamic8(quantized, elementCount);
      else check4Bit(quantized as Quantized4Bit, elementCount);
      break;
    case "affine":
      checkAffine(quantized as QuantizedAffine);
      break;
    case "float":
      checkFloat(quantized as QuantizedFloat);
      refuseParts(quantized, ["nested", "zeroPoint"]);
  }
  return elementCount;
}

/** Parts of other families: whoever put them there expects something of them. */
function refuseParts(quantized: QuantizedTensor, parts: readonly string[]): void {
  for (const [part, value] of Object.entries(quantized)) {
    if (value === undefined || !parts.includes(part)) continue;
    throw new ArgumentError(`quantized.${part}`, `absent for ${quantized.quantType}`, value);
  }
}

function check4Bit(quantized: Quantized4Bit, elementCount: number): void {
  const { absmax, nested, blockSize } = quantized;
  if (!BLOCK_SIZES_4BIT.includes(blockSize)) {
    const allowed = `one of ${BLOCK_SIZES_4BIT.join(", ")}`;
    throw new ArgumentError("quantized.blockSize", allowed, blockSize);
  }
  const blocks = Math.ceil(elementCount / blockSize);
  expectArray("quantized.absmax", absmax, FLOATS_OR_BYTES, blocks);
  checkNesting("absmax", absmax, nested);
  if (nested === undefined) return;
  expectCount("quantized.nested.blockSize", nested.blockSize);
  const groups = Math.ceil(blocks / nested.blockSize);
  expectArray("quantized.nested.absmax", nested.absmax, FLOATS, groups);
  expectArray("quantized.nested.levels", nested.levels, FLOATS, 256);
  expectNumber("quantized.nested.offset", nested.offset);
}

function checkDynamic8({ blockSize, absmax, code }: QuantizedDynamic8, elementCount: number): void {
  expectCount("quantized.blockSize", blockSize, LARGEST_BLOCK_SIZE);
  expectArray("quantized.absmax", absmax, FLOATS, Math.ceil(elementCount / blockSize));
  expectArray("quantized.code", code, FLOATS, 256);
}

function checkRows({ shape, scb, outlierColumns, outlierWeights }: QuantizedInt8): void {
  const [rows, columns] = shape;
  if (rows === undefined || columns === undefined || shape.length !== 2) {
    throw new ArgumentError("quantized.shape", "[rows, columns]", shape);
  }
  expectArray("quantized.scb", scb, FLOATS, rows);
  if (outlierColumns !== undefined) checkedColumns(outlierColumns, columns);
  if (outlierWeights === undefined) return;
  if (outlierColumns === undefined) {
    throw new ArgumentError("quantized.outlierColumns", "those of outlierWeights", undefined);
  }
  const weights = rows * outlierColumns.length;
  expectArray("quantized.outlierWeights", outlierWeights, ["Uint16Array"], weights);
}

function checkAffine(quantized: QuantizedAffine): void {
  const { scale, zeroPoint, nested, symmetric } = quantized;
  const { scaleCount } = gridOf(quantized);
  expectArray("quantized.scale", scale, FLOATS_OR_BYTES, scaleCount);
  if (symmetric !== (zeroPoint === undefined)) {
    const expected = symmetric ? "absent, as symmetric says" : "present, as symmetric is false";
    throw new ArgumentError("quantized.zeroPoint", expected, zeroPoint);
  }
  if (zeroPoint !== undefined) checkZeroPoints(quantized, zeroPoint, scaleCount);
  checkNesting("scale", scale, nested);
  if (nested === undefined) return;
  expectCount("quantized.nested.blockSize", nested.blockSize);
  const groups = Math.ceil(scaleCount / nested.blockSize);
  expectArray("quantized.nested.ranges", nested.ranges, FLOATS, 2 * groups);
}

function checkZeroPoints(
  { quantType }: QuantizedAffine,
  zeroPoint: ArrayLike<number>,
  scaleCount: number,
): void {
  expectArray("quantized.zeroPoint", zeroPoint, [...FLOATS, ...BYTES], scaleCount);
  const { lowest, highest } = SCHEMES[quantType].format;
  for (let i = 0; i < zeroPoint.length; i++) {
    const value = zeroPoint[i] as number;
    if (Number.isInteger(value) && value >= lowest && value <= highest) continue;
    const allowed = `a whole number from ${lowest} to ${highest}`;
    throw new ArgumentError(`quantized.zeroPoint[${i}]`, allowed, value);
  }
}

function checkFloat(quantized: QuantizedFloat): void {
  const { quantType, scale, tensorScale, granularity, blockSize } = quantized;
  const { fixedBlockSize, scale: format } = SCHEMES[quantType];
  if (fixedBlockSize !== undefined && (granularity !== "block" || blockSize !== fixedBlockSize)) {
    throw new ArgumentError("quantized.blockSize", `${fixedBlockSize} for ${quantType}`, blockSize);
  }
  const kinds = format === "float32" ? FLOATS : ["Uint8Array"];
  expectArray("quantized.scale", scale, kinds, gridOf(quantized).scaleCount);
  if (format === "e4m3") expectNumber("quantized.tensorScale", tensorScale);
  else if (tensorScale !== undefined) {
    throw new ArgumentError("quantized.tensorScale", `absent for ${quantType}`, tensorScale);
  }
}

function gridOf(quantized: QuantizedAffine | QuantizedFloat): ScaleGrid {
  const { granularity, blockSize, shape } = quantized;
  oneOf("quantized.granularity", GRANULARITIES, granularity);
  if (granularity === "block") expectCount("quantized.blockSize", blockSize);
  return new ScaleGrid(shape, quantized);
}

/** 8-bit scales belong to a second level, floats to none. */
function checkNesting(
  name: "absmax" | "scale",
  scales: Float32Array | Uint8Array,
  nested: object | undefined,
): void {
  const isBytes = scales.BYTES_PER_ELEMENT === 1;
  if (isBytes === (nested !== undefined)) return;
  const expected = isBytes ? `present for an 8-bit ${name}` : `absent for a float ${name}`;
  throw new ArgumentError("quantized.nested", expected, nested);
}

function expectCount(
  argument: string,
  value: number | undefined,
  largest = Number.MAX_SAFE_INTEGER,
): void {
  if (value !== undefined && Number.isSafeInteger(value) && value >= 1 && value <= largest) return;
  throw new ArgumentError(argument, "a whole number ≥ 1", value);
}

function expectNumber(argument: string, value: unknown): void {
  if (typeof value !== "number") throw new ArgumentError(argument, "a number", value);
}

const FLOATS = ["Float32Array"];
/** Codes are bytes, whatever they mean. */
const BYTES = ["Uint8Array", "Int8Array"];
const FLOATS_OR_BYTES = ["Float32Array", "Uint8Array"];
