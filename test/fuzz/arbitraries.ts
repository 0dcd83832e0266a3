/** Random safetensors files, and random damage to them. */

import fc from "fast-check";
import {
  DTYPES,
  dtypeBits,
  encodeHeader,
  type TensorEntry,
} from "../../src/formats/safetensors/index.ts";

export interface RandomFile {
  readonly entries: readonly TensorEntry[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly bytes: Uint8Array;
}

const names = fc
  .oneof(
    fc.constantFrom("__proto__", "constructor", "", "a", "a.b.weight", "\ufeff"),
    fc.string({ unit: "binary", maxLength: 12 }),
  )
  .filter((name) => !name.includes("\0") && name !== "__metadata__");

const tensors = fc.record({
  name: names,
  dtype: fc.constantFrom(...DTYPES),
  shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
});

/** A valid file; the header lists its tensors in any order, the data is zeros. */
export const randomFiles: fc.Arbitrary<RandomFile> = fc
  .record({
    list: fc.uniqueArray(tensors, { maxLength: 6, selector: ({ name }) => name }),
    metadata: fc.uniqueArray(fc.tuple(names, fc.string({ unit: "binary" })), {
      maxLength: 3,
      selector: ([key]) => key,
    }),
    order: fc.infiniteStream(fc.nat()),
  })
  .map(({ list, metadata, order }) => {
    let begin = 0;
    const entries = list.map(({ name, dtype, shape }) => {
      const bits = shape.reduce((product, size) => product * size, dtypeBits(dtype));
      const whole = bits % 8 === 0 ? shape : [...shape, 8];
      const end = begin + (bits % 8 === 0 ? bits / 8 : bits);
      const entry = { name, dtype, shape: whole, begin, end };
      begin = end;
      return entry;
    });
    const keys = new Map(entries.map((entry) => [entry, order.next().value]));
    const listed = entries.toSorted((a, b) => Number(keys.get(a)) - Number(keys.get(b)));
    const header = encodeHeader(listed, new Map(metadata));
    const bytes = new Uint8Array(header.byteLength + begin);
    bytes.set(header);
    return { entries, metadata: new Map(metadata), bytes };
  });

/** Cuts `bytes` into chunks whose sizes come round again. */
export function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.byteLength; turn++) {
    const size = sizes[turn % sizes.length] ?? bytes.byteLength;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const FRAGMENTS = [
  ...'{}[],:"\\-.e0179 tfn\n\t\0',
  ..."\\u0061 \\ud800 \\udc00 \\u0000 null true 1e3 -0 18446744073709551616 9007199254740993".split(
    " ",
  ),
  ..."[1] [0,4] {} F32 U64 shape __metadata__ __proto__ 4294967296 \u00ff \u{10ffff}".split(" "),
].map((text) => new TextEncoder().encode(text));

/** One change: which bytes of the header go, and what comes instead. */
export const randomEdits = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    removed: fc.integer({ min: 0, max: 6 }),
    inserted: fc.oneof(
      fc.constantFrom(...FRAGMENTS),
      fc.uint8Array({ maxLength: 3 }),
      fc.constant(new Uint8Array(0)),
    ),
  }),
  { minLength: 1, maxLength: 3 },
);

type Edits = typeof randomEdits extends fc.Arbitrary<infer T> ? T : never;

/** Applies the edits to the header's text and corrects the length field unless `keepLength`. */
export function damaged(bytes: Uint8Array, edits: Edits, keepLength = false): Uint8Array {
  const end = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  let header = [...bytes.subarray(8, end)];
  for (const { at, removed, inserted } of edits) {
    const from = Math.floor(at * header.length);
    header = [...header.slice(0, from), ...inserted, ...header.slice(from + removed)];
  }
  const result = new Uint8Array([...bytes.subarray(0, 8), ...header, ...bytes.subarray(end)]);
  if (!keepLength) new DataView(result.buffer).setBigUint64(0, BigInt(header.length), true);
  return result;
}
