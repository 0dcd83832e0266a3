/** Reads our own layout (`layouts/native.ts`) with the JSON in a file's header. */

import {
  booleanOf,
  type JsonObject,
  type JsonValue,
  memberOf,
  numberOf,
  parseJsonObject,
  stringOf,
} from "../../formats/json/index.ts";
import { readTensor, type SafetensorsFile } from "../../formats/safetensors/index.ts";
import { FLOAT_DTYPES } from "../../foundation/dtype.ts";
import { ArgumentError, FormatError } from "../../foundation/errors.ts";
import { createDynamicMap } from "../../schemes/dynamic8.ts";
import { SCHEMES } from "../../schemes/registry.ts";
import type { Scales } from "../../tensor/decoder.ts";
import { NESTED_BLOCK_SIZE } from "../../tensor/nested-absmax.ts";
import { NESTED_SCALE_GROUP } from "../../tensor/nested-scale.ts";
import { type Coding, type CodingOptions, codingOf } from "../../tensor/options.ts";
import { describe } from "../../tensor/record.ts";
import type { OutputTensor, Role, Weight } from "../layouts/layout.ts";
import { native } from "../layouts/native.ts";
import { NATIVE_KEY, NATIVE_VERSION, optionsOf } from "../layouts/native-metadata.ts";
import { blamed, floatsOf, type Located, type TensorFinder } from "./finder.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** How messages call the JSON. */
const MEMBER = `__metadata__.${NATIVE_KEY}`;

/** The weights that a file's header describes, in the order of the header; none without one. */
export function* nativeWeights(
  finder: TensorFinder,
  file: SafetensorsFile,
): Generator<StoredWeight> {
  const text = file.table.metadata.get(NATIVE_KEY);
  if (text === undefined) return;
  const place = { file: file.source.name };
  const json = metadataOf(text, place.file);
  const version = numberOf(memberOf(json, "version"));
  if (version !== NATIVE_VERSION) {
    const said = version === undefined ? "names no version" : `has version ${version}`;
    throw new FormatError(
      `its native format ${said}, and this quantwise reads version ${NATIVE_VERSION}` +
        (Number(version) > NATIVE_VERSION ? "; use a newer quantwise" : ""),
      place,
    );
  }
  const listed = memberOf(json, "codings");
  const tensors = memberOf(json, "tensors");
  if (listed?.kind !== "array" || tensors?.kind !== "object") {
    const problem = `${MEMBER} needs "codings", an array, and "tensors", an object`;
    throw new FormatError(problem, place);
  }
  const codings = listed.items.map((item, index) => codingIn(item, index, place.file));
  for (const [name, value] of tensors.members) {
    const fail = (problem: string) => new FormatError(problem, { ...place, tensor: name });
    const coding = codings[numberOf(memberOf(value, "coding")) ?? -1];
    const dtype = FLOAT_DTYPES.find((each) => each === stringOf(memberOf(value, "dtype")));
    const sizes = memberOf(value, "shape");
    const shape = sizes?.kind === "array" ? sizes.items.map(numberOf) : undefined;
    if (coding === undefined || dtype === undefined || shape === undefined) {
      throw fail('its metadata needs "coding", the index of one, "dtype" and "shape"');
    }
    yield nativeWeight(finder, { name, dtype, shape: shape as number[], coding }, place.file);
  }
}

function nativeWeight(finder: TensorFinder, weight: Weight, file: string): StoredWeight {
  const { name, dtype, shape, coding } = weight;
  const located = new Map<Role, Located>();
  const outputs = blamed(file, name, () => native.outputs(weight, "typical"));
  for (const output of outputs) {
    const found = finder.need(output.name, name, file);
    checkPart(found, output, name);
    located.set(output.role, found);
  }
  const codes = located.get("codes") as Located;
  located.delete("codes");
  return {
    name,
    dtype,
    shape,
    coding,
    layout: "native",
    codes,
    parts: [...located.values()],
    scales: () => scalesOf(weight, located, file),
  };
}

async function scalesOf(
  { name, shape, coding }: Weight,
  located: ReadonlyMap<Role, Located>,
  file: string,
): Promise<Scales> {
  const bytes = new Map<Role, Uint8Array>();
  for (const [role, part] of located) bytes.set(role, await readTensor(part.file, part.entry));
  const of = (role: Role) => bytes.get(role) as Uint8Array;
  const floats = (role: Role) => floatsOf(of(role));
  const parts = partsOf(coding, of, floats);
  checkZeroPoints(parts.zeroPoint, coding, { file, tensor: name });
  return { shape, ...describe(coding), ...parts } as Scales;
}

/** Zero points are codes: a fraction, or one that no code reaches, is none. */
function checkZeroPoints(
  zeroPoints: Float32Array | Int8Array | Uint8Array | undefined,
  coding: Coding,
  place: { readonly file: string; readonly tensor: string },
): void {
  if (zeroPoints === undefined || coding.family !== "affine") return;
  const { lowest, highest } = SCHEMES[coding.quantType].format;
  for (let i = 0; i < zeroPoints.length; i++) {
    const value = zeroPoints[i] as number;
    if (Number.isInteger(value) && value >= lowest && value <= highest) continue;
    const allowed = `expected whole numbers from ${lowest} to ${highest}`;
    throw new FormatError(`its zero point ${i} is ${value}, ${allowed}`, place);
  }
}

interface Parts {
  readonly zeroPoint?: Float32Array | Int8Array | Uint8Array;
  readonly [part: string]: unknown;
}

function partsOf(
  coding: Coding,
  bytes: (role: Role) => Uint8Array,
  floats: (role: Role) => Float32Array,
): Parts {
  switch (coding.family) {
    case "rows":
      return { scb: floats("scb") };
    case "codebook": {
      const code =
        coding.quantType === "dynamic8" ? { code: SCHEMES.dynamic8.codebook().levels } : {};
      if (!coding.doubleQuant) return { ...code, absmax: floats("absmax") };
      const nested = {
        blockSize: NESTED_BLOCK_SIZE,
        absmax: floats("nestedAbsmax"),
        offset: floats("nestedOffset")[0],
        levels: createDynamicMap({ signed: true }),
      };
      return { absmax: bytes("absmax"), nested };
    }
    case "affine": {
      const { doubleQuant, symmetric, quantType } = coding;
      const isSigned = SCHEMES[quantType].format.signed;
      const zeroPoint = () => {
        if (!doubleQuant) return floats("zeroPoint");
        return isSigned ? new Int8Array(bytes("zeroPoint")) : bytes("zeroPoint");
      };
      return {
        scale: doubleQuant ? bytes("scale") : floats("scale"),
        ...(symmetric ? {} : { zeroPoint: zeroPoint() }),
        ...(doubleQuant
          ? { nested: { blockSize: NESTED_SCALE_GROUP, ranges: floats("nestedScale") } }
          : {}),
      };
    }
    case "float": {
      const { scale } = SCHEMES[coding.quantType];
      if (scale === "float32") return { scale: floats("scale") };
      if (scale === "e8m0") return { scale: bytes("scale") };
      return { scale: bytes("scale"), tensorScale: floats("tensorScale")[0] };
    }
  }
}

function metadataOf(text: string, file: string): JsonObject {
  try {
    return parseJsonObject(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(`${MEMBER}: ${error.message}`, { file }, { cause: error });
  }
}

/** What a coding may say in this version; other members would be a later one's. */
const CODING_KEYS = [
  "quantType",
  "granularity",
  "axis",
  "blockSize",
  "symmetric",
  "doubleQuant",
  "mode",
] as const;

/** @throws FormatError unless all is said: a default of today may be another one tomorrow */
function codingIn(value: JsonValue, index: number, file: string): Coding {
  const given: Record<string, unknown> = {};
  for (const key of CODING_KEYS) {
    const item = memberOf(value, key);
    if (item !== undefined)
      given[key] = stringOf(item) ?? numberOf(item) ?? booleanOf(item) ?? null;
  }
  const where = `${MEMBER}, coding ${index}`;
  let coding: Coding;
  try {
    coding = codingOf(given as CodingOptions);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new FormatError(`${where}: ${error.message}`, { file }, { cause: error });
  }
  for (const [key, said] of Object.entries(optionsOf(coding))) {
    if (given[key] === said) continue;
    throw new FormatError(`${where}: it does not say its "${key}"`, { file });
  }
  return coding;
}

function checkPart({ file, entry }: Located, { dtype, shape }: OutputTensor, whose: string): void {
  const same = entry.dtype === dtype && entry.shape.join() === shape.join();
  if (same) return;
  const problem =
    `its part "${entry.name}" is ${entry.dtype} [${entry.shape.join(", ")}], expected ` +
    `${dtype} [${shape.join(", ")}]`;
  throw new FormatError(problem, { file: file.source.name, tensor: whose });
}
