/** Reads the golden vectors of block floats and affine quantization: test/vectors/floats. */

import { readFileSync } from "node:fs";
import type { QuantType } from "../../src/index.ts";
import { type ReadFile, readFile } from "../checkpoint/safetensors-files.ts";

const folder = new URL("../vectors/floats/", import.meta.url);

type Array_ = Float32Array<ArrayBuffer> | Int8Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;

interface ManifestCase {
  readonly id: string;
  readonly scheme: string;
  readonly format: "e2m1" | "e4m3" | "e5m2";
  readonly shape: readonly number[];
  readonly block: number | null;
  /** affine.safetensors alone has these. */
  readonly mode: "symmetric" | "asymmetric";
  readonly layout: "tensor" | "row" | "group32";
  readonly tensors: Readonly<Record<string, string>>;
}

export interface GoldenVector extends ManifestCase {
  readonly quantType: QuantType;
  /** Whether the case has a tensor of that role. */
  has(role: string): boolean;
  floats(role: string): Float32Array<ArrayBuffer>;
  /** Raw bytes: codes, scale bytes. */
  bytes(role: string): Uint8Array<ArrayBuffer>;
  numbers(role: string): number[];
}

interface Manifest {
  readonly files: readonly { readonly file: string; readonly cases: readonly ManifestCase[] }[];
}

/** Every case of a file, such as "mx". */
export function floatVectors(name: string): GoldenVector[] {
  const text = readFileSync(new URL("manifest.json", folder), "utf8");
  const { files } = JSON.parse(text) as Manifest;
  const found = files.find(({ file }) => file === `${name}.safetensors`);
  if (found === undefined) throw new Error(`no golden file ${name}`);
  const file = readFile(readFileSync(new URL(found.file, folder)));
  return found.cases.map((golden) => vectorOf(file, golden));
}

function vectorOf(file: ReadFile, golden: ManifestCase): GoldenVector {
  const arrayOf = (role: string): Array_ => {
    const key = golden.tensors[role];
    if (key === undefined) throw new Error(`${golden.id} has no ${role}`);
    const { dtype, bytes } = file.get(key);
    const { buffer } = bytes.slice();
    if (dtype === "F32") return new Float32Array(buffer);
    return dtype === "I8" ? new Int8Array(buffer) : new Uint8Array(buffer);
  };
  return {
    ...golden,
    quantType: golden.scheme?.replace("_", "-").replace("mxfp8-e4m3", "mxfp8") as QuantType,
    has: (role) => golden.tensors[role] !== undefined,
    floats: (role) => {
      const array = arrayOf(role);
      if (!(array instanceof Float32Array)) throw new Error(`${golden.id}: ${role} is no F32`);
      return array;
    },
    bytes: (role) => new Uint8Array(arrayOf(role).buffer),
    numbers: (role) => [...arrayOf(role)],
  };
}

/** One code a byte to two, the even element in the low nibble. */
export function packed(codes: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(codes.length / 2));
  codes.forEach((code, i) => {
    bytes[i >> 1] = (bytes[i >> 1] as number) | ((code & 15) << (4 * (i % 2)));
  });
  return bytes;
}

/** The bytes of any view. */
export function bytesOf(array: ArrayBufferView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}
