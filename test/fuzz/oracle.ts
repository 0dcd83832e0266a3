/** A second opinion on safetensors files: JSON.parse and the rules, written as plainly as can be. */

import { DTYPES, type Dtype, dtypeBits } from "../../src/formats/safetensors/index.ts";

interface PlainEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/**
 * Whether the file is valid, as far as JSON.parse can tell: it cannot see duplicate keys, and it
 * reads `1.0` as `1`. Callers give it files without those.
 */
export function isValidFile(file: Uint8Array): boolean {
  try {
    return check(file);
  } catch {
    return false;
  }
}

function check(file: Uint8Array): boolean {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes + 8 > file.byteLength || file[8] !== 0x7b) return false;
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
    file.subarray(8, 8 + headerBytes),
  );
  const header = new Map<string, unknown>(Object.entries(JSON.parse(text)));
  const metadata = header.get("__metadata__");
  header.delete("__metadata__");
  if (metadata !== undefined && !isPlainObject(metadata)) return false;
  const strings = [...Object.entries(metadata ?? {}).flat(), ...header.keys()];
  if (strings.some((value) => typeof value !== "string" || /\p{Surrogate}/u.test(value)))
    return false;
  const entries: PlainEntry[] = [];
  for (const [name, entry] of header) {
    if (name.includes("\0") || !isEntry(entry)) return false;
    entries.push(entry);
  }
  entries.sort((a, b) => {
    return a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1];
  });
  let covered = 0;
  for (const { dtype, shape, data_offsets } of entries) {
    const bits = shape.reduce((product, size) => product * BigInt(size), BigInt(dtypeBits(dtype)));
    if (data_offsets[0] !== covered) return false;
    if (bits !== 8n * BigInt(data_offsets[1] - covered)) return false;
    covered = data_offsets[1];
  }
  return 8 + headerBytes + covered === file.byteLength;
}

function isEntry(value: unknown): value is PlainEntry {
  if (!isPlainObject(value)) return false;
  if (Object.keys(value).sort().join() !== "data_offsets,dtype,shape") return false;
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (!(DTYPES as readonly unknown[]).includes(dtype)) return false;
  if (!Array.isArray(shape) || !Array.isArray(offsets) || offsets.length !== 2) return false;
  return [...shape, ...offsets].every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isPlainObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
