/** Reads our own layout (`layouts/native.ts`) with the JSON in a file's header. */

import {
  type JsonValue,
  memberOf,
  numberOf,
  parseJsonObject,
  stringOf,
} from "../../formats/json/index.ts";
import type { SafetensorsFile } from "../../formats/safetensors/index.ts";
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
import { NATIVE_KEY, NATIVE_VERSION } from "../layouts/native-metadata.ts";
import { floatsOf, type Located, partBytes, type TensorFinder } from "./finder.ts";
import type { StoredWeight } from "./stored-weight.ts";

/** The weights that a file's header describes, in the order of the header; none without one. */
export function* nativeWeights(
  finder: TensorFinder,
  file: SafetensorsFile,
): Generator<StoredWeight> {
  const text = file.table.metadata.get(NATIVE_KEY);
  if (text === undefined) return;
  const place = { file: file.source.name };
  const json = parseJsonObject(
    new TextEncoder().encode(text),
    `${place.file}, __metadata__.quantwise`,
  );
  const version = numberOf(memberOf(json, "version"));
  if (version !== NATIVE_VERSION) {
    const problem = `its native format has version ${version}, and this quantwise reads ${NATIVE_VERSION}`;
    throw new FormatError(`${problem}; use a newer quantwise`, place);
  }
  const listed = memberOf(json, "codings");
  const codings =
    listed?.kind === "array" ? listed.items.map((item) => codingIn(item, place.file)) : [];
  const tensors = memberOf(json, "tensors");
  for (const [name, value] of tensors?.kind === "object" ? tensors.members : []) {
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
  let outputs: readonly OutputTensor[];
  try {
    outputs = native.outputs(weight, "typical");
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new FormatError(error.message, { file, tensor: name }, { cause: error });
  }
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
    scales: () => scalesOf(weight, outputs, located),
  };
}

async function scalesOf(
  { name, shape, coding }: Weight,
  outputs: readonly OutputTensor[],
  located: ReadonlyMap<Role, Located>,
): Promise<Scales> {
  const bytes = new Map<Role, Uint8Array>();
  for (const { role, byteLength } of outputs) {
    const part = located.get(role);
    if (part !== undefined) bytes.set(role, await partBytes(part, byteLength, name));
  }
  const of = (role: Role) => bytes.get(role) as Uint8Array;
  const floats = (role: Role) => floatsOf(of(role));
  return { shape, ...describe(coding), ...partsOf(coding, of, floats) } as Scales;
}

function partsOf(
  coding: Coding,
  bytes: (role: Role) => Uint8Array,
  floats: (role: Role) => Float32Array,
): object {
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

function codingIn(value: JsonValue, file: string): Coding {
  const options: Record<string, unknown> = {};
  for (const [key, item] of value.kind === "object" ? value.members : []) {
    options[key] =
      stringOf(item) ?? numberOf(item) ?? (item.kind === "boolean" ? item.value : null);
  }
  try {
    return codingOf(options as CodingOptions);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new FormatError(`__metadata__.quantwise: ${error.message}`, { file }, { cause: error });
  }
}

function checkPart({ file, entry }: Located, { dtype, shape }: OutputTensor, whose: string): void {
  const same = entry.dtype === dtype && entry.shape.join() === shape.join();
  if (same) return;
  const problem =
    `its part "${entry.name}" is ${entry.dtype} [${entry.shape.join(", ")}], expected ` +
    `${dtype} [${shape.join(", ")}]`;
  throw new FormatError(problem, { file: file.source.name, tensor: whose });
}
