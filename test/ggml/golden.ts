/** Reads the golden vectors of ggml's block types: test/vectors/gguf/blocks. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { BlockType } from "../../src/schemes/ggml/block-types.ts";

const folder = new URL("../vectors/gguf/blocks/", import.meta.url);

interface Entry {
  readonly offset: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly dequantized_f32_sha256: string;
  readonly passes_validation: boolean;
  readonly stable: boolean;
}

interface Manifest {
  readonly types: Readonly<
    Record<string, { ggml_type: number; block_values: number; block_bytes: number }>
  >;
  readonly cases: readonly {
    readonly name: string;
    readonly cols: number;
    readonly input: { readonly offset: number; readonly bytes: number };
    readonly expected: Readonly<Record<string, Entry>>;
  }[];
}

export interface GoldenBlocks extends Entry {
  readonly name: string;
  readonly rowLength: number;
  readonly values: Float32Array<ArrayBuffer>;
  readonly blocks: Uint8Array<ArrayBuffer>;
}

const manifest = JSON.parse(readFileSync(new URL("manifest.json", folder), "utf8")) as Manifest;
const inputs = readFileSync(new URL("inputs.f32.bin", folder));

export const GOLDEN_TYPES = manifest.types;

/** Every case of a type. */
export function goldenBlocks(type: BlockType): GoldenBlocks[] {
  const expected = readFileSync(new URL(`expected/${type}.bin`, folder));
  return manifest.cases.map(({ name, cols, input, expected: entries }) => {
    const entry = entries[type];
    if (entry === undefined) throw new Error(`no golden blocks of ${type} in ${name}`);
    const bytes = new Uint8Array(inputs.subarray(input.offset, input.offset + input.bytes));
    const blocks = new Uint8Array(expected.subarray(entry.offset, entry.offset + entry.bytes));
    return { ...entry, name, rowLength: cols, values: new Float32Array(bytes.buffer), blocks };
  });
}

export function sha256(bytes: ArrayBufferView): string {
  const { buffer, byteOffset, byteLength } = bytes;
  return createHash("sha256")
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest("hex");
}
