import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  compareTensors,
  type Dtype,
  encodeHeader,
  encodeHeaderChunks,
  headerByteLength,
  layoutTensors,
  openSafetensors,
  type TensorEntry,
  type TensorToWrite,
  writeSafetensors,
} from "../../../src/formats/safetensors/index.ts";
import { bytesSource } from "../../../src/foundation/byte-source.ts";
import { ArgumentError } from "../../../src/foundation/errors.ts";
import { parse } from "./files.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function sinkOf(written: Uint8Array[], events: string[] = []): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write(chunk) {
      written.push(chunk.slice());
    },
    close() {
      events.push("close");
    },
    abort(reason) {
      events.push(`abort ${String(reason)}`);
    },
  });
}

describe("The order of tensors", () => {
  it("is the reference writer's: wide dtypes first, then names by code point", () => {
    const tensors = [
      ["a", "BOOL"],
      ["a", "U8"],
      ["\u{10000}", "F32"],
      ["\uffff", "F32"],
      ["b", "F32"],
      ["a", "F4"],
      ["a", "BF16"],
      ["a", "F16"],
      ["a", "U64"],
      ["a", "C64"],
      ["B", "F32"],
    ].map(([name = "", dtype]) => ({ name, dtype: dtype as Dtype }));
    const order = tensors.sort(compareTensors).map(({ name, dtype }) => `${dtype} ${name}`);
    expect(order).toEqual([
      "U64 a",
      "C64 a",
      "F32 B",
      "F32 b",
      "F32 \uffff",
      "F32 \u{10000}",
      "BF16 a",
      "F16 a",
      "U8 a",
      "F4 a",
      "BOOL a",
    ]);
  });

  it("and the header are those of the safetensors package", async () => {
    const url = new URL("../vectors/writer.safetensors", import.meta.url);
    const bytes = new Uint8Array(readFileSync(url));
    const { table, dataStart } = await openSafetensors(bytesSource(bytes));
    const entries = layoutTensors([...table].reverse());
    expect(entries).toEqual([...table]);
    expect(encodeHeader(entries, table.metadata)).toEqual(bytes.subarray(0, dataStart));
  });
});

describe("encodeHeader", () => {
  it("pads with spaces to a multiple of 8", () => {
    const header = encodeHeader(layoutTensors([{ name: "a", dtype: "F32", shape: [2, 3] }]));
    expect(text(header.subarray(8))).toBe(
      '{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}       ',
    );
    expect(new DataView(header.buffer).getBigUint64(0, true)).toBe(64n);
  });

  it("writes __metadata__ first, and none where there is nothing to say", () => {
    expect(text(encodeHeader([], new Map([["format", "pt"]])).subarray(8))).toBe(
      '{"__metadata__":{"format":"pt"}}',
    );
    expect(text(encodeHeader([], new Map()).subarray(8))).toBe("{}      ");
  });

  it("escapes as serde_json", () => {
    const entries = layoutTensors([
      { name: '"\\/\b\u001f\u007fé\u2028😀', dtype: "U8", shape: [] },
    ]);
    expect(text(encodeHeader(entries).subarray(9))).toContain(
      '"\\"\\\\/\\b\\u001f\u007fé\u2028😀":',
    );
  });

  it("gives the same bytes in chunks, from an array and from a generator", () => {
    const tensors = Array.from({ length: 5000 }, (_, i) => {
      return { name: `layers.${i}.wé`, dtype: "BF16" as const, shape: [i, 2] };
    });
    const entries = layoutTensors(tensors);
    const whole = encodeHeader(entries);
    expect(Buffer.from(encodeHeader(entries.values())).equals(whole)).toBe(true);
    const chunks = [...encodeHeaderChunks(entries.values())];
    expect(chunks.length).toBeGreaterThan(4);
    expect(Buffer.concat(chunks).equals(whole)).toBe(true);
    expect(headerByteLength(entries)).toBe(whole.byteLength);
  });

  it("keeps the order it is given", () => {
    const entries: TensorEntry[] = [
      { name: "b", dtype: "U8", shape: [1], begin: 1, end: 2 },
      { name: "a", dtype: "U8", shape: [1], begin: 0, end: 1 },
    ];
    expect(text(encodeHeader(entries))).toMatch(/"b":.*"a":/);
  });

  it("refuses lone surrogates", () => {
    const entry = { name: "\ud800", dtype: "U8", shape: [], begin: 0, end: 1 } as const;
    expect(() => encodeHeader([entry])).toThrow(ArgumentError);
    expect(() => encodeHeader([], new Map([["a", "\udc00"]]))).toThrow(ArgumentError);
  });

  it("refuses a header above 100,000,000 bytes, and writes one of just that", () => {
    // The frame {"__metadata__":{"k":"…"}} has 25 bytes.
    const fits = new Map([["k", "v".repeat(100_000_000 - 25)]]);
    expect(headerByteLength([], fits)).toBe(100_000_008);
    const above = new Map([["k", "v".repeat(100_000_001 - 25)]]);
    expect(() => encodeHeaderChunks([], above).next()).toThrow(
      "header: expected at most 100000000 bytes (start another shard), received 100000001",
    );
  }, 30_000);
});

describe("layoutTensors", () => {
  it("places tensors without gaps", () => {
    const entries = layoutTensors([
      { name: "q", dtype: "U8", shape: [3] },
      { name: "w", dtype: "F32", shape: [2, 2] },
      { name: "e", dtype: "F32", shape: [0] },
    ]);
    expect(entries.map(({ name, begin, end }) => [name, begin, end])).toEqual([
      ["e", 0, 0],
      ["w", 0, 16],
      ["q", 16, 19],
    ]);
  });

  it.each([
    ["a name twice", [tensor("a"), tensor("a", "U8")], /names that differ/],
    ["NUL in a name", [tensor("a\0")], /without NUL/],
    ["__metadata__ as a name", [tensor("__metadata__")], /not __metadata__/],
    ["an unknown dtype", [tensor("a", "F33" as Dtype)], /expected BOOL, F4/],
    ["a fraction in a shape", [tensor("a", "F32", [1.5])], /whole numbers/],
    ["a negative dimension", [tensor("a", "F32", [-1])], /whole numbers/],
    ["elements that end inside a byte", [tensor("a", "F4", [3])], /do not fill whole bytes/],
    ["a size above 2^53", [tensor("a", "U8", [2 ** 30, 2 ** 30])], /element count is above/],
    [
      "tensors above 2^53 together",
      [tensor("a", "U8", [2 ** 52]), tensor("b", "U8", [2 ** 52])],
      /at most 2\^53 − 1 bytes/,
    ],
  ])("refuses %s", (_name, tensors, message) => {
    expect(() => layoutTensors(tensors)).toThrow(ArgumentError);
    expect(() => layoutTensors(tensors)).toThrow(message);
  });
});

describe("writeSafetensors", () => {
  const data = Uint8Array.of(1, 2, 3, 4);

  it("takes bytes, chunks, streams and functions that make them when their turn comes", async () => {
    const calls: string[] = [];
    const called = (name: string, chunks: Uint8Array[]) => () => {
      calls.push(name);
      return chunks;
    };
    const tensors: TensorToWrite[] = [
      { ...tensor("e", "U8", [4]), data: called("e", [data.subarray(0, 1), data.subarray(1)]) },
      { ...tensor("d", "F32", [1]), data: new Blob([data]).stream() },
      { ...tensor("c", "F32", [1]), data: called("c", [data]) },
      { ...tensor("b", "F32", [0]), data: [] },
      {
        ...tensor("a", "F32", [1]),
        data: (async function* () {
          yield data;
        })(),
      },
    ];
    const written: Uint8Array[] = [];
    const events: string[] = [];
    await writeSafetensors(sinkOf(written, events), tensors);
    const bytes = new Uint8Array(Buffer.concat(written));
    expect([...parse(bytes)].map(({ name }) => name)).toEqual(["a", "b", "c", "d", "e"]);
    expect([...bytes.subarray(-16)]).toEqual([...data, ...data, ...data, ...data]);
    expect(calls).toEqual(["c", "e"]);
    expect(events).toEqual(["close"]);
  });

  it.each([
    ["too little", [data.subarray(1)], "expected 4 bytes, received 3"],
    ["too much", [data, data], "expected 4 bytes, received 8"],
  ])("refuses %s data and aborts the sink", async (_name, chunks, message) => {
    const events: string[] = [];
    const sink = sinkOf([], events);
    const job = writeSafetensors(sink, [{ ...tensor("a", "F32", [1]), data: chunks }]);
    await expect(job).rejects.toThrow(message);
    expect(events).toHaveLength(1);
    expect(events[0]).toContain("abort ArgumentError");
    expect(sink.locked).toBe(false);
  });

  it("stops at an abort signal", async () => {
    const events: string[] = [];
    const signal = AbortSignal.abort();
    const job = writeSafetensors(sinkOf([], events), [{ ...tensor("a"), data }], { signal });
    await expect(job).rejects.toMatchObject({ name: "AbortError" });
    expect(events[0]).toContain("abort");
  });

  it("passes on what the sink throws", async () => {
    const sink = new WritableStream<Uint8Array>({
      write() {
        throw new Error("disk full");
      },
    });
    await expect(writeSafetensors(sink, [{ ...tensor("a"), data }])).rejects.toThrow("disk full");
  });
});

function tensor(name: string, dtype: Dtype = "F32", shape: readonly number[] = [1]) {
  return { name, dtype, shape };
}
