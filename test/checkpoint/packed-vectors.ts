/** Reads the golden linears of compressed-tensors, and packs words by hand. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { FloatDtype } from "../../src/foundation/dtype.ts";
import { bf16ToF32, f16ToF32 } from "../../src/foundation/half.ts";
import { readFile, type TestTensor } from "./safetensors-files.ts";

const folder = new URL("../vectors/compressed-tensors/", import.meta.url);

interface WeightScheme {
  readonly num_bits: 4 | 8;
  readonly symmetric: boolean;
  readonly group_size: number | null;
  readonly strategy: "group" | "channel" | "tensor";
}

export interface PackedVector {
  readonly id: string;
  readonly weights: WeightScheme;
  readonly dtype: FloatDtype;
  readonly shape: readonly [rows: number, columns: number];
  /** What the package stores: name to dtype (PyTorch's spelling) and shape. */
  readonly stored: Readonly<Record<string, readonly [string, readonly number[]]>>;
  tensor(name: string): TestTensor;
}

interface Manifest {
  readonly cases: readonly Omit<PackedVector, "tensor">[];
  readonly quantization_configs: Readonly<Record<string, Record<string, unknown>>>;
  readonly models: readonly {
    readonly decompressed_bf16_sha256: Readonly<Record<string, string>>;
  }[];
}

const manifest = JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8")) as Manifest;

export const PACKED_CONFIGS = manifest.quantization_configs;

export function packedVectors(): PackedVector[] {
  const file = readFile(readFileSync(new URL("linears.safetensors", folder)));
  return manifest.cases.map((golden) => ({
    ...golden,
    tensor: (name) => file.get(`${golden.id}.${name}`),
  }));
}

/** The golden checkpoint: its folder, config.json, tensors, and the hashes of its expanded weights. */
export function packedModel() {
  const model = new URL("llama_tiny_int4_sym_group32/", folder);
  return {
    folder: fileURLToPath(model),
    hashes: manifest.models[0]?.decompressed_bf16_sha256 ?? {},
    config: JSON.parse(readFileSync(new URL("config.json", model), "utf8")),
    file: readFile(readFileSync(new URL("model.safetensors", model))),
  };
}

/** A float tensor's values. */
export function valuesOf({ dtype, bytes }: TestTensor): Float32Array<ArrayBuffer> {
  const { buffer } = bytes.slice();
  if (dtype === "F32") return new Float32Array(buffer);
  return Float32Array.from(new Uint16Array(buffer), dtype === "F16" ? f16ToF32 : bf16ToF32);
}

/** [rows, columns] signed codes to [rows, ceil(columns / c)] words, the first in the low bits. */
export function packWords(codes: ArrayLike<number>, columns: number, bits: 4 | 8): Uint8Array {
  const perWord = 32 / bits;
  const words = Math.ceil(columns / perWord);
  const rows = codes.length / columns;
  const bytes = new DataView(new ArrayBuffer(4 * rows * words));
  for (let row = 0; row < rows; row++) {
    for (let word = 0; word < words; word++) {
      let value = 0n;
      for (let i = 0; i < perWord; i++) {
        const column = word * perWord + i;
        if (column >= columns) continue;
        const unsigned = (codes[row * columns + column] as number) + 2 ** (bits - 1);
        value |= BigInt(unsigned) << BigInt(bits * i);
      }
      bytes.setUint32(4 * (row * words + word), Number(value), true);
    }
  }
  return new Uint8Array(bytes.buffer);
}

/** [rows, groups] zero points to [ceil(rows / c), groups] words, packed down the columns. */
export function packDown(zeroPoints: ArrayLike<number>, groups: number, bits: 4 | 8): Uint8Array {
  const rows = zeroPoints.length / groups;
  const sideways = Array.from({ length: rows * groups }, (_, i) => {
    const [group, row] = [Math.floor(i / rows), i % rows];
    return zeroPoints[row * groups + group] as number;
  });
  const packed = new DataView(packWords(sideways, rows, bits).buffer as ArrayBuffer);
  const perGroup = packed.byteLength / 4 / groups;
  const result = new DataView(new ArrayBuffer(packed.byteLength));
  for (let group = 0; group < groups; group++) {
    for (let word = 0; word < perGroup; word++) {
      const value = packed.getUint32(4 * (group * perGroup + word), true);
      result.setUint32(4 * (word * groups + group), value, true);
    }
  }
  return new Uint8Array(result.buffer);
}
