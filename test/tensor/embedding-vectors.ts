/** Reads the golden vectors of embeddings: test/vectors/embeddings. */

import { readFileSync } from "node:fs";
import type { EmbeddingPrecision, EmbeddingRanges, FloatArray } from "../../src/index.ts";

export interface GoldenEmbeddings {
  readonly id: string;
  readonly precision: EmbeddingPrecision;
  readonly array: FloatArray;
  readonly dtype?: "float16" | "bfloat16";
  readonly dimensions: number;
  readonly ranges?: EmbeddingRanges;
  readonly calibration?: FloatArray;
  readonly codes: { readonly shape: readonly number[]; readonly array: Int8Array | Uint8Array };
  readonly expectedRanges?: EmbeddingRanges;
  readonly dequantized?: Float32Array;
}

interface ManifestCase {
  readonly id: string;
  readonly precision: EmbeddingPrecision;
  readonly embeddings: string;
  readonly codes: string;
  readonly ranges?: string;
  readonly calibration_embeddings?: string;
  readonly expected_ranges?: string;
  readonly dequantized?: string;
}

const ARRAYS = {
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;
const DTYPES = { F16: "float16", BF16: "bfloat16" } as const;

export function embeddingCases(): GoldenEmbeddings[] {
  const folder = new URL("../vectors/embeddings/", import.meta.url);
  const manifest = JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8"));
  const file = new Uint8Array(readFileSync(new URL("embeddings.safetensors", folder)));
  const data = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, data)));

  const tensor = (key: string) => {
    const { dtype, shape, data_offsets } = header[key];
    const [begin, end] = data_offsets;
    const bytes = file.slice(data + begin, data + end);
    const name = dtype as keyof typeof ARRAYS;
    return { name, shape: shape as number[], array: new ARRAYS[name](bytes.buffer) };
  };
  const floats = (key: string) => tensor(key).array as Float32Array;
  const ranges = (key: string): EmbeddingRanges => {
    const both = floats(key);
    return { min: both.slice(0, both.length / 2), max: both.slice(both.length / 2) };
  };

  return (manifest.cases as ManifestCase[]).map((golden) => {
    const { name, shape, array } = tensor(golden.embeddings);
    const codes = tensor(golden.codes);
    return {
      id: golden.id,
      precision: golden.precision,
      array: array as FloatArray,
      ...(name === "F16" || name === "BF16" ? { dtype: DTYPES[name] } : {}),
      dimensions: shape[1] as number,
      codes: { shape: codes.shape, array: codes.array as Int8Array },
      ...(golden.ranges && { ranges: ranges(golden.ranges) }),
      ...(golden.calibration_embeddings && { calibration: floats(golden.calibration_embeddings) }),
      ...(golden.expected_ranges && { expectedRanges: ranges(golden.expected_ranges) }),
      ...(golden.dequantized && { dequantized: floats(golden.dequantized) }),
    };
  });
}
