/** Safetensors files for tests, made and read without a line of the code under test. */

export interface TestTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** safetensors' own writer: dtypes in descending order of this list, then names. */
const WRITER_ORDER = (
  "BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ " +
  "I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64"
).split(" ");

const ITEM_BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  I16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  F32: 32,
  F64: 64,
  I64: 64,
};

export function bitsOf(dtype: string): number {
  const bits = ITEM_BITS[dtype];
  if (bits === undefined) throw new Error(`the tests know no ${dtype}`);
  return bits;
}

export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** A file as safetensors' writer makes it: its order, no gaps, format "pt", a padded header. */
export function referenceFile(tensors: readonly TestTensor[]): Uint8Array<ArrayBuffer> {
  const sorted = [...tensors].sort(
    (a, b) =>
      WRITER_ORDER.indexOf(b.dtype) - WRITER_ORDER.indexOf(a.dtype) ||
      Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );
  return fileInOrder(sorted);
}

/** The tensors in the given order, one behind the other. */
export function fileInOrder(
  tensors: readonly TestTensor[],
  metadata: Readonly<Record<string, string>> | undefined = { format: "pt" },
): Uint8Array<ArrayBuffer> {
  const members: string[] = [];
  if (metadata !== undefined) members.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    const end = offset + bytes.byteLength;
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],` +
        `"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  const text = Buffer.from(`{${members.join(",")}}`);
  const headerBytes = Math.ceil(text.byteLength / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, 8, 8 + headerBytes);
  file.set(text, 8);
  let at = 8 + headerBytes;
  for (const { bytes } of tensors) {
    file.set(bytes, at);
    at += bytes.byteLength;
  }
  return file;
}

export interface ReadFile {
  readonly dataStart: number;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  /** In the order of their bytes. */
  readonly tensors: readonly (TestTensor & { readonly begin: number; readonly end: number })[];
  get(name: string): TestTensor;
}

interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Reads a whole file and insists on all that the format promises: no gap, no overlap, no rest. */
export function readFile(file: Uint8Array): ReadFile {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  const dataStart = 8 + headerBytes;
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, dataStart)));
  const { __metadata__: metadata, ...entries } = header as Record<string, HeaderEntry> & {
    __metadata__?: Record<string, string>;
  };
  const tensors = Object.entries(entries as Record<string, HeaderEntry>).map(
    ([name, { dtype, shape, data_offsets }]) => {
      const [begin, end] = data_offsets;
      const bytes = new Uint8Array(file.subarray(dataStart + begin, dataStart + end));
      if (bytes.byteLength !== (elementsOf(shape) * bitsOf(dtype)) / 8) {
        throw new Error(`${name}: ${bytes.byteLength} bytes for ${dtype} [${shape}]`);
      }
      return { name, dtype, shape, bytes, begin, end };
    },
  );
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let offset = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== offset) throw new Error(`${name} begins at ${begin}, expected ${offset}`);
    offset = end;
  }
  if (dataStart + offset !== file.byteLength) {
    throw new Error(`the file has ${file.byteLength} bytes, expected ${dataStart + offset}`);
  }
  return {
    dataStart,
    metadata,
    tensors,
    get(name) {
      const found = tensors.find((tensor) => tensor.name === name);
      if (found === undefined) throw new Error(`no tensor ${name} in the file`);
      return found;
    },
  };
}

/** Repeatable random numbers in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bell-shaped values around 0. */
export function normalFloats(count: number, seed: number, deviation = 0.02): Float32Array {
  const random = randomFrom(seed);
  return Float32Array.from({ length: count }, () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += random();
    return sum * deviation;
  });
}

/** The floats' bytes as a dtype; bfloat16 by truncation, which is as good as any values. */
export function floatBytesAs(
  dtype: "F32" | "BF16" | "F16",
  values: Float32Array,
): Uint8Array<ArrayBuffer> {
  if (dtype === "F32") return new Uint8Array(values.slice().buffer);
  const words = new Uint32Array(values.slice().buffer);
  const halves = Uint16Array.from(words, (bits) =>
    dtype === "BF16" ? bits >>> 16 : truncatedHalf(bits),
  );
  return new Uint8Array(halves.buffer);
}

/** f32 bits → float16 bits, towards zero; for values of ordinary size. */
function truncatedHalf(bits: number): number {
  const exponent = ((bits >>> 23) & 255) - 112;
  const sign = (bits >>> 16) & 0x8000;
  if (exponent <= 0) return sign;
  return sign | (exponent << 10) | ((bits >>> 13) & 1023);
}

let seeds = 1;

/** A float tensor with random values. */
export function weights(
  name: string,
  shape: readonly number[],
  dtype: "F32" | "BF16" | "F16" = "BF16",
  options: { readonly seed?: number; readonly deviation?: number } = {},
): TestTensor {
  const { seed = seeds++, deviation } = options;
  const values = normalFloats(elementsOf(shape), seed, deviation);
  return { name, dtype, shape, bytes: floatBytesAs(dtype, values) };
}

/** A tensor of any dtype that nobody may change: its bytes count up. */
export function opaque(name: string, dtype: string, shape: readonly number[]): TestTensor {
  const byteCount = (elementsOf(shape) * bitsOf(dtype)) / 8;
  const limit = dtype === "BOOL" ? 2 : 251;
  return { name, dtype, shape, bytes: Uint8Array.from({ length: byteCount }, (_, i) => i % limit) };
}
