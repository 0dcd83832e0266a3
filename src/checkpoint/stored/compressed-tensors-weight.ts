/** Reads the pack-quantized form of compressed-tensors (`layouts/compressed-tensors.ts`). */

import { readTensor } from "../../formats/safetensors/index.ts";
import type { FloatDtype } from "../../foundation/dtype.ts";
import { FormatError } from "../../foundation/errors.ts";
import { bf16ToF32, f16ToF32 } from "../../foundation/half.ts";
import { SCHEMES } from "../../schemes/registry.ts";
import type { Scales } from "../../tensor/decoder.ts";
import type { AffineCoding } from "../../tensor/options.ts";
import { describe } from "../../tensor/record.ts";
import {
  expectDtype,
  expectPart,
  floatsOf,
  type Located,
  partBytes,
  type TensorFinder,
} from "./finder.ts";
import type { StoredWeight } from "./stored-weight.ts";

export const PACKED_SUFFIX = /(^|\.)weight_packed$/;

const DTYPES = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

/** What config.json says of a module's packed weights. */
export interface PackedScheme {
  /** The shapes tell 4 from 8 bits but for very short rows. */
  readonly bits?: number | undefined;
  readonly symmetric?: boolean | undefined;
}

/** @param packed the tensor "P.weight_packed" */
export async function storedPacked(
  finder: TensorFinder,
  packed: Located,
  { bits, symmetric }: PackedScheme,
): Promise<StoredWeight> {
  const file = packed.file.source.name;
  const name = packed.entry.name.replace(/weight_packed$/, "weight");
  const part = (suffix: string) => finder.need(`${name}_${suffix}`, name, file);
  const fail = (problem: string): never => {
    throw new FormatError(problem, { file, tensor: name });
  };
  if (finder.find(`${name}_g_idx`) !== undefined) {
    fail("its groups are in the order of activations (weight_g_idx), which cannot be read");
  }
  expectDtype(packed, ["I32"], name);
  const scale = part("scale");
  expectDtype(scale, Object.keys(DTYPES), name);
  const dtype = DTYPES[scale.entry.dtype as keyof typeof DTYPES];
  const shapePart = part("shape");
  const shape = await shapeOf(shapePart, name);
  const [rows, columns] = shape;
  const [packedRows, words = 0, ...more] = packed.entry.shape;
  const fits = ([4, 8] as const).filter((each) => Math.ceil((columns * each) / 32) === words);
  const wordBits = fits.find((each) => each === bits) ?? fits[0];
  if (wordBits === undefined || packedRows !== rows || more.length > 0) {
    return fail(
      `codes of 4 or 8 bits of shape [${rows}, ${columns}] do not make ` +
        `[${packed.entry.shape.join(", ")}] words; other widths cannot be read`,
    );
  }
  const zeroPoint = symmetric === false ? part("zero_point") : finder.find(`${name}_zero_point`);
  const coding = codingOfParts(wordBits, columns, scale, zeroPoint, fail);
  const isTensor = coding.granularity === "tensor";
  const groups = groupsOf(coding, columns);
  const scaleCount = isTensor ? 1 : rows * groups;
  expectPart(scale, scale.entry.dtype as keyof typeof DTYPES, scaleCount, name);
  if (zeroPoint !== undefined) {
    const zeroPointWords = Math.ceil((rows * wordBits) / 32) * groups;
    expectPart(zeroPoint, isTensor ? "I8" : "I32", isTensor ? 1 : zeroPointWords, name);
  }
  return {
    name,
    dtype,
    shape,
    coding,
    layout: "compressed-tensors",
    codes: packed,
    parts: [scale, shapePart, ...(zeroPoint === undefined ? [] : [zeroPoint])],
    packedRows: { rowBytes: words * 4 },
    async scales() {
      const scales = widened(await readTensor(scale.file, scale.entry), dtype);
      const record: object = { shape, ...describe(coding), scale: scales };
      if (zeroPoint === undefined) return record as Scales;
      return { ...record, zeroPoint: await zeroPoints(zeroPoint, coding, rows, groups) } as Scales;
    },
  };
}

function codingOfParts(
  bits: 4 | 8,
  columns: number,
  scale: Located,
  zeroPoint: Located | undefined,
  fail: (problem: string) => never,
): AffineCoding {
  const groups = scale.entry.shape[1];
  const grain =
    groups === undefined
      ? { granularity: "tensor" as const, blockSize: 0 }
      : groups === 1
        ? { granularity: "channel" as const, blockSize: 0 }
        : { granularity: "block" as const, blockSize: columns / groups };
  if (!Number.isInteger(grain.blockSize)) {
    return fail(`its ${columns} columns do not divide into ${groups} groups`);
  }
  return {
    family: "affine",
    quantType: bits === 4 ? "int4" : "int8",
    ...grain,
    axis: 0,
    symmetric: zeroPoint === undefined,
    doubleQuant: false,
  };
}

function groupsOf({ granularity, blockSize }: AffineCoding, columns: number): number {
  return granularity === "block" ? columns / blockSize : 1;
}

async function shapeOf(part: Located, name: string): Promise<readonly [number, number]> {
  expectDtype(part, ["I64", "I32"], name);
  const isLong = part.entry.dtype === "I64";
  const bytes = (await partBytes(part, isLong ? 16 : 8, name)).slice();
  const sizes = isLong
    ? [...new BigInt64Array(bytes.buffer)].map(Number)
    : [...new Int32Array(bytes.buffer)];
  const [rows, columns] = sizes as [number, number];
  if (sizes.every((size) => Number.isSafeInteger(size) && size >= 1)) return [rows, columns];
  const problem = `its weight_shape is [${sizes.join(", ")}], expected two sizes ≥ 1`;
  throw new FormatError(problem, { file: part.file.source.name, tensor: name });
}

/** Packed down the columns; a single one a tensor is stored as I8. */
async function zeroPoints(
  part: Located,
  coding: AffineCoding,
  rows: number,
  groups: number,
): Promise<Float32Array> {
  const { bits, format } = SCHEMES[coding.quantType];
  const bytes = await readTensor(part.file, part.entry);
  if (coding.granularity === "tensor") return Float32Array.from(new Int8Array(bytes));
  const perWord = 32 / bits;
  const words = new Uint32Array(bytes.slice().buffer);
  const values = new Float32Array(rows * groups);
  for (let row = 0; row < rows; row++) {
    const shift = bits * (row % perWord);
    for (let group = 0; group < groups; group++) {
      const word = words[Math.floor(row / perWord) * groups + group] as number;
      values[row * groups + group] = ((word >>> shift) & (2 ** bits - 1)) + format.lowest;
    }
  }
  return values;
}

function widened(bytes: Uint8Array, dtype: FloatDtype): Float32Array {
  if (dtype === "float32") return floatsOf(bytes);
  return Float32Array.from(
    new Uint16Array(bytes.slice().buffer),
    dtype === "float16" ? f16ToF32 : bf16ToF32,
  );
}
