/** Reads what bitsandbytes wrote, or we in its place. */

import {
  type JsonValue,
  memberOf,
  numberOf,
  parseJsonObject,
  stringOf,
} from "../../formats/json/index.ts";
import { readTensor } from "../../formats/safetensors/index.ts";
import { FLOAT_DTYPES, type FloatDtype } from "../../foundation/dtype.ts";
import { ArgumentError, FormatError } from "../../foundation/errors.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import { SCHEMES } from "../../schemes/registry.ts";
import type { Scales } from "../../tensor/decoder.ts";
import { type CodebookCoding, codingOf, packedBytes } from "../../tensor/options.ts";
import { STORAGE_DTYPES } from "../layouts/bitsandbytes-4bit.ts";
import { layerPrefix } from "../layouts/bitsandbytes-int8.ts";
import { expectDtype, floatsOf, type Located, partBytes, type TensorFinder } from "./finder.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** A longer text is no quant state. */
const MAX_STATE_BYTES = 1 << 16;

/** What follows the weight's name in the name of its quant state. */
export const STATE_SUFFIX = /\.quant_state\.bitsandbytes__(nf4|fp4)$/;

/** @param state the tensor "P.weight.quant_state.bitsandbytes__nf4" */
export async function stored4Bit(finder: TensorFinder, state: Located): Promise<StoredWeight> {
  const name = state.entry.name.replace(STATE_SUFFIX, "");
  const file = state.file.source.name;
  const fail = (problem: string): never => {
    throw new FormatError(problem, { file, tensor: state.entry.name });
  };
  if (state.entry.end - state.entry.begin > MAX_STATE_BYTES)
    fail("it is too long for a quant state");
  const json = parseJsonObject(await readTensor(state.file, state.entry), state.entry.name);
  const quantType = stringOf(memberOf(json, "quant_type"));
  const dtype = FLOAT_DTYPES.find((each) => each === stringOf(memberOf(json, "dtype")));
  const shape = shapeOf(memberOf(json, "shape"));
  if (dtype === undefined || shape === undefined) {
    return fail(
      'its "dtype" must be float32, float16 or bfloat16, and its "shape" a list of sizes',
    );
  }
  const isNested = memberOf(json, "nested_blocksize") !== undefined;
  const coding = codingFor(
    {
      quantType: quantType as "nf4",
      blockSize: numberOf(memberOf(json, "blocksize")) ?? 0,
      doubleQuant: isNested,
    },
    fail,
  );
  const codes = finder.need(name, name, file);
  expectDtype(codes, Object.values(STORAGE_DTYPES), name);
  const elementCount = elementCountOf(shape);
  const codeBytes = codes.entry.end - codes.entry.begin;
  if (codeBytes !== packedBytes(elementCount)) {
    fail(`its shape needs ${packedBytes(elementCount)} bytes of codes, and there are ${codeBytes}`);
  }
  const part = (suffix: string) => finder.need(`${name}.${suffix}`, name, file);
  const absmax = part("absmax");
  const quantMap = part("quant_map");
  const nested = isNested ? [part("nested_absmax"), part("nested_quant_map")] : [];
  const nestedBlockSize = numberOf(memberOf(json, "nested_blocksize")) ?? 0;
  const nestedOffset = numberOf(memberOf(json, "nested_offset")) ?? 0;
  if (isNested && !(Number.isSafeInteger(nestedBlockSize) && nestedBlockSize >= 1)) {
    fail('its "nested_blocksize" must be a whole number ≥ 1');
  }
  const blocks = Math.ceil(elementCount / coding.blockSize);

  return {
    name,
    dtype,
    shape,
    coding,
    layout: "bitsandbytes",
    codes,
    parts: [absmax, quantMap, ...nested, state],
    async scales() {
      const levels = floatsOf(await partBytes(quantMap, 64, name));
      const own = SCHEMES[coding.quantType].codebook().levels;
      if (!levels.every((level, i) => level === own[i])) {
        return fail(`its quant_map is not the table of ${coding.quantType}`);
      }
      const { quantType: type, mode, blockSize, quantStorage } = coding;
      const record = { shape, quantType: type, mode, blockSize, quantStorage };
      const [nestedAbsmax, nestedMap] = nested;
      if (nestedAbsmax === undefined || nestedMap === undefined) {
        expectDtype(absmax, ["F32"], name);
        return { ...record, absmax: floatsOf(await partBytes(absmax, blocks * 4, name)) } as Scales;
      }
      expectDtype(absmax, ["U8"], name);
      const groups = Math.ceil(blocks / nestedBlockSize);
      return {
        ...record,
        absmax: await partBytes(absmax, blocks, name),
        nested: {
          blockSize: nestedBlockSize,
          offset: Math.fround(nestedOffset),
          absmax: floatsOf(await partBytes(nestedAbsmax, groups * 4, name)),
          levels: floatsOf(await partBytes(nestedMap, 1024, name)),
        },
      } as Scales;
    },
  };
}

/**
 * @param codes the tensor "P.weight", I8, which has a "P.SCB" beside it
 * @param dtype of the checkpoint: LLM.int8 does not store its weights' own
 */
export function storedInt8(finder: TensorFinder, codes: Located, dtype: FloatDtype): StoredWeight {
  const { name, shape } = codes.entry;
  const file = codes.file.source.name;
  const layer = layerPrefix(name);
  const scb = finder.need(`${layer}SCB`, name, file);
  expectDtype(scb, ["F32"], name);
  const format = finder.find(`${layer}weight_format`);
  return {
    name,
    dtype,
    shape,
    coding: { family: "rows", quantType: "llm-int8" },
    layout: "bitsandbytes",
    codes,
    parts: format === undefined ? [scb] : [scb, format],
    async scales() {
      const rows = shape[0] as number;
      if (format !== undefined) {
        const [code] = await partBytes(format, 1, name);
        if (code !== 0) {
          const problem = `its weight_format is ${code}; only 0, "row", can be read`;
          throw new FormatError(problem, { file, tensor: name });
        }
      }
      const values = floatsOf(await partBytes(scb, rows * 4, name));
      return { shape, quantType: "llm-int8", scb: values } as Scales;
    },
  };
}

function codingFor(
  options: { quantType: "nf4" | "fp4"; blockSize: number; doubleQuant: boolean },
  fail: (problem: string) => never,
): CodebookCoding {
  try {
    return codingOf(options) as CodebookCoding;
  } catch (error) {
    if (error instanceof ArgumentError) return fail(error.message);
    throw error;
  }
}

function shapeOf(value: JsonValue | undefined): readonly number[] | undefined {
  if (value?.kind !== "array") return undefined;
  const sizes = value.items.map(numberOf);
  return sizes.every((size) => size !== undefined && Number.isSafeInteger(size) && size >= 0)
    ? (sizes as number[])
    : undefined;
}
