/** Reads what bitsandbytes wrote, or we in its place. */

import {
  type JsonObject,
  type JsonValue,
  memberOf,
  numberOf,
  parseJsonObject,
  stringOf,
} from "../../formats/json/index.ts";
import { readTensor } from "../../formats/safetensors/index.ts";
import { FLOAT_DTYPES, type FloatDtype } from "../../foundation/dtype.ts";
import { FormatError } from "../../foundation/errors.ts";
import { elementCountOf } from "../../foundation/shape.ts";
import { SCHEMES } from "../../schemes/registry.ts";
import { packedBytes } from "../../tensor/code-bytes.ts";
import type { Scales } from "../../tensor/decoder.ts";
import { type CodebookCoding, codingOf } from "../../tensor/options.ts";
import { layerPrefix } from "../layouts/bitsandbytes-int8.ts";
import {
  blamed,
  expectDtype,
  expectPart,
  floatsOf,
  type Located,
  type TensorFinder,
} from "./finder.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** A longer text is no quant state. */
const MAX_STATE_BYTES = 1 << 16;

/** `bnb_4bit_quant_storage`: the bytes are the same in all of them. */
const CODE_DTYPES = ["U8", "I8", "F16", "BF16", "F32", "F64"];

/** What follows the weight's name in the name of its quant state. */
export const STATE_SUFFIX = /\.quant_state\.bitsandbytes__(nf4|fp4)$/;

/** @param state the tensor "P.weight.quant_state.bitsandbytes__nf4" */
export async function stored4Bit(finder: TensorFinder, state: Located): Promise<StoredWeight> {
  const name = state.entry.name.replace(STATE_SUFFIX, "");
  const quantType = STATE_SUFFIX.exec(state.entry.name)?.[1] as "nf4" | "fp4";
  const file = state.file.source.name;
  const fail = (problem: string): never => {
    throw new FormatError(problem, { file, tensor: state.entry.name });
  };
  const json = await stateText(state, fail);
  if (stringOf(memberOf(json, "quant_type")) !== quantType) {
    fail(`its "quant_type" must be ${quantType}, as its name says`);
  }
  const { dtype, shape, blockSize, nested } = parseState(json, fail);
  const options = { quantType, blockSize, doubleQuant: nested !== undefined };
  const coding = blamed(file, state.entry.name, () => codingOf(options) as CodebookCoding);
  const elementCount = blamed(file, state.entry.name, () => elementCountOf(shape));

  const codes = finder.need(name, name, file);
  expectDtype(codes, CODE_DTYPES, name);
  const codeBytes = codes.entry.end - codes.entry.begin;
  if (codeBytes !== packedBytes(elementCount)) {
    fail(`its shape needs ${packedBytes(elementCount)} bytes of codes, and there are ${codeBytes}`);
  }
  const blocks = Math.ceil(elementCount / coding.blockSize);
  const part = (suffix: string, dtype_: "F32" | "U8", elements: number) => {
    const found = finder.need(`${name}.${suffix}`, name, file);
    expectPart(found, dtype_, elements, name);
    return found;
  };
  const absmax = part("absmax", nested === undefined ? "F32" : "U8", blocks);
  const quantMap = part("quant_map", "F32", 16);
  const nestedParts =
    nested === undefined
      ? undefined
      : {
          absmax: part("nested_absmax", "F32", Math.ceil(blocks / nested.blockSize)),
          map: part("nested_quant_map", "F32", 256),
        };

  return {
    name,
    dtype,
    shape,
    coding,
    layout: "bitsandbytes",
    codes,
    parts: [absmax, quantMap, ...Object.values(nestedParts ?? {}), state],
    async scales() {
      const levels = floatsOf(await readTensor(quantMap.file, quantMap.entry));
      const own = SCHEMES[coding.quantType].codebook().levels;
      if (!levels.every((level, i) => level === own[i])) {
        return fail(`its quant_map is not the table of ${coding.quantType}`);
      }
      const { mode, quantStorage } = coding;
      const record = { shape, quantType, mode, blockSize: coding.blockSize, quantStorage };
      const bytes = await readTensor(absmax.file, absmax.entry);
      if (nested === undefined || nestedParts === undefined) {
        return { ...record, absmax: floatsOf(bytes) } as Scales;
      }
      const { absmax: second, map } = nestedParts;
      return {
        ...record,
        absmax: bytes,
        nested: {
          ...nested,
          absmax: floatsOf(await readTensor(second.file, second.entry)),
          levels: floatsOf(await readTensor(map.file, map.entry)),
        },
      } as Scales;
    },
  };
}

interface QuantState {
  readonly dtype: FloatDtype;
  readonly shape: readonly number[];
  readonly blockSize: number;
  readonly nested: { readonly blockSize: number; readonly offset: number } | undefined;
}

async function stateText(
  { file, entry }: Located,
  fail: (problem: string) => never,
): Promise<JsonObject> {
  if (entry.end - entry.begin > MAX_STATE_BYTES) fail("it is too long for a quant state");
  const bytes = await readTensor(file, entry);
  try {
    return parseJsonObject(bytes);
  } catch (error) {
    if (error instanceof FormatError) fail(`its JSON text: ${error.message}`);
    throw error;
  }
}

function parseState(json: JsonObject, fail: (problem: string) => never): QuantState {
  const dtype = FLOAT_DTYPES.find((each) => each === stringOf(memberOf(json, "dtype")));
  const shape = shapeOf(memberOf(json, "shape"));
  const blockSize = numberOf(memberOf(json, "blocksize"));
  if (dtype === undefined || shape === undefined || blockSize === undefined) {
    return fail(
      'its "dtype" must be float32, float16 or bfloat16, its "shape" a list of sizes, and its ' +
        '"blocksize" a number',
    );
  }
  if (memberOf(json, "nested_blocksize") === undefined) {
    return { dtype, shape, blockSize, nested: undefined };
  }
  const nestedBlockSize = numberOf(memberOf(json, "nested_blocksize"));
  const offset = numberOf(memberOf(json, "nested_offset"));
  if (
    nestedBlockSize === undefined ||
    !(Number.isSafeInteger(nestedBlockSize) && nestedBlockSize >= 1)
  ) {
    return fail('its "nested_blocksize" must be a whole number ≥ 1');
  }
  // NaN and infinity are what --allow-non-finite leaves of the mean: Python's JSON spells them.
  if (offset === undefined) {
    return fail('its "nested_offset" must be a number');
  }
  return {
    dtype,
    shape,
    blockSize,
    nested: { blockSize: nestedBlockSize, offset: Math.fround(offset) },
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
  expectPart(scb, "F32", shape[0] as number, name);
  const format = finder.find(`${layer}weight_format`);
  if (format !== undefined) expectPart(format, "U8", 1, name);
  return {
    name,
    dtype,
    shape,
    coding: { family: "rows", quantType: "llm-int8" },
    layout: "bitsandbytes",
    codes,
    parts: format === undefined ? [scb] : [scb, format],
    async scales() {
      if (format !== undefined) {
        const [code] = await readTensor(format.file, format.entry);
        if (code !== 0) {
          const problem = `its weight_format is ${code}; only 0, "row", can be read`;
          throw new FormatError(problem, { file, tensor: name });
        }
      }
      const values = floatsOf(await readTensor(scb.file, scb.entry));
      return { shape, quantType: "llm-int8", scb: values } as Scales;
    },
  };
}

function shapeOf(value: JsonValue | undefined): readonly number[] | undefined {
  if (value?.kind !== "array") return undefined;
  const sizes = value.items.map(numberOf);
  return sizes.every((size) => size !== undefined && Number.isSafeInteger(size) && size >= 0)
    ? (sizes as number[])
    : undefined;
}
