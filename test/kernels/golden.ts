/** Reads the golden vectors: test/vectors/bitsandbytes. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { FloatDtype } from "../../src/foundation/dtype.ts";

const folder = new URL("../vectors/bitsandbytes/", import.meta.url);

export interface GoldenTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A case of the manifest; which fields it has depends on its operation. */
export interface GoldenCase {
  readonly id: string;
  readonly op: string;
  readonly dtype: "f32" | "f16" | "bf16";
  readonly shape: readonly number[];
  readonly blocksize: number;
  readonly quant_type: "nf4" | "fp4";
  readonly code: string;
  readonly input: string;
  readonly threshold: number;
  readonly transpose_input_first?: boolean;
  readonly platform_defined?: boolean;
  readonly tensors: Readonly<Record<string, string>>;
  readonly sha256: Readonly<Record<string, string>>;
  readonly nested_offset_f32_hex: string;
  readonly dequant_sha256: string;
  readonly dequant_f32_sha256: string;
  readonly "default.dequant_sha256": string;
  readonly "default.absmax_dequant_sha256": string;
}

export interface GoldenGroup {
  readonly cases: readonly GoldenCase[];
  /** A tensor of the group's file by its key. */
  tensor(key: string): GoldenTensor;
}

interface Manifest {
  readonly groups: readonly { readonly file: string; readonly cases: readonly GoldenCase[] }[];
}

export function goldenGroup(name: string): GoldenGroup {
  const manifest = JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8")) as Manifest;
  const group = manifest.groups.find(({ file }) => file === `${name}.safetensors`);
  if (group === undefined) throw new Error(`no golden group ${name}`);
  const file = new Uint8Array(readFileSync(new URL(group.file, folder)));
  const headerBytes = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerBytes)));
  return {
    cases: group.cases,
    tensor(key) {
      const entry = header[key];
      if (entry === undefined) throw new Error(`no golden tensor ${key}`);
      const [begin, end] = entry.data_offsets;
      return { ...entry, bytes: file.slice(8 + headerBytes + begin, 8 + headerBytes + end) };
    },
  };
}

export const GOLDEN_DTYPES: Readonly<Record<GoldenCase["dtype"], FloatDtype>> = {
  f32: "float32",
  f16: "float16",
  bf16: "bfloat16",
};

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
