import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeHeader,
  HeaderParser,
  SafetensorsStreamParser,
  type TensorTable,
} from "../../src/formats/safetensors/index.ts";
import { FormatError } from "../../src/foundation/errors.ts";
import { chunksOf, damaged, randomEdits, randomFiles } from "./arbitraries.ts";
import { isValidFile } from "./oracle.ts";

const chunkSizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

/** The table, or the FormatError; any other error escapes and fails the property. */
function read(bytes: Uint8Array, sizes: readonly number[] = []): TensorTable | FormatError {
  const parser = new HeaderParser({ file: "fuzz", fileByteLength: bytes.byteLength });
  try {
    for (const chunk of chunksOf(bytes, sizes)) parser.push(chunk);
    return parser.finish();
  } catch (error) {
    if (error instanceof FormatError) return error;
    throw error;
  }
}

/** What a result comes to, comparable between runs. */
function summary(result: TensorTable | FormatError): unknown {
  return result instanceof FormatError ? result.message : [...result, ...result.metadata];
}

describe("A valid safetensors file", () => {
  it("is read back whole, whatever the chunks", () => {
    fc.assert(
      fc.property(randomFiles, chunkSizes, ({ entries, metadata, bytes }, sizes) => {
        const table = read(bytes, sizes);
        if (table instanceof FormatError) throw table;
        const inDataOrder = [...table];
        expect(new Set(inDataOrder)).toEqual(new Set(entries));
        expect([...table.metadata]).toEqual([...metadata]);
        for (const [index, { name }] of inDataOrder.entries()) {
          expect(table.indexOf(name)).toBe(index);
        }
        const again = read(new Uint8Array([...encodeHeader(table, metadata), ...dataOf(bytes)]));
        expect(summary(again)).toEqual(summary(table));
      }),
      { numRuns: 500 },
    );
  });

  it("flows through the stream parser unchanged", () => {
    fc.assert(
      fc.property(randomFiles, chunkSizes, ({ bytes }, sizes) => {
        const parser = new SafetensorsStreamParser();
        let position = 0;
        for (const chunk of chunksOf(bytes, sizes)) {
          for (const event of parser.push(chunk)) {
            if (event.type === "header") continue;
            expect(event.position).toBe(position);
            position += event.bytes.byteLength;
          }
        }
        parser.finish();
        expect(position).toBe(dataOf(bytes).byteLength);
      }),
      { numRuns: 300 },
    );
  });
});

describe("A damaged safetensors file", () => {
  it("gives a FormatError or a valid table, the same for any chunks", () => {
    fc.assert(
      fc.property(
        randomFiles,
        randomEdits,
        chunkSizes,
        fc.boolean(),
        (file, edits, sizes, keep) => {
          const bytes = damaged(file.bytes, edits, keep);
          expect(summary(read(bytes, sizes))).toEqual(summary(read(bytes)));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("is accepted exactly when JSON.parse and the plain rules accept it", () => {
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(randomFiles, randomEdits, (file, edits) => {
        const bytes = damaged(file.bytes, edits);
        const result = read(bytes);
        if (result instanceof FormatError) {
          refused += 1;
          // What JSON.parse cannot see: repeated keys, and 1.0 or 1e0 for 1.
          if (/twice|expected (an offset|a dimension)/.test(result.message)) return;
          expect(isValidFile(bytes), result.message).toBe(false);
        } else {
          accepted += 1;
          expect(isValidFile(bytes)).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(1000);
  });

  it("never gives anything but a FormatError for random bytes", () => {
    const lengths = fc.oneof(fc.constant(undefined), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), lengths, (tail, length) => {
        const bytes = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0x7b, ...tail]);
        const headerBytes = length ?? BigInt(bytes.byteLength - 8);
        new DataView(bytes.buffer).setBigUint64(0, headerBytes, true);
        if (!(read(bytes) instanceof FormatError)) expect(isValidFile(bytes)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("does not make the stream parser hold what a length promises", () => {
    const before = process.memoryUsage().arrayBuffers;
    const parsers = Array.from({ length: 50 }, () => {
      const parser = new SafetensorsStreamParser();
      const bytes = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22]);
      new DataView(bytes.buffer).setBigUint64(0, 512n * 2n ** 20n, true);
      parser.push(bytes);
      return parser;
    });
    const heldBytes = process.memoryUsage().arrayBuffers - before;
    expect(heldBytes / parsers.length).toBeLessThan(100_000);
  });
});

/** The bytes behind the header. */
function dataOf(bytes: Uint8Array): Uint8Array {
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  return bytes.subarray(8 + Number(headerBytes));
}
