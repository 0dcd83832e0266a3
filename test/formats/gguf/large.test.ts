import { describe, expect, it } from "vitest";
import {
  GgufHeaderParser,
  GgufMetadata,
  ggufEntry,
  ggufHeaderBytes,
  ggufType,
  ggufValue,
  layoutGguf,
  openGguf,
} from "../../../src/formats/gguf/index.ts";
import type { ByteSource } from "../../../src/foundation/byte-source.ts";

const F16 = ggufType("F16");

/** A file of which only the header is there. */
function headerSource(header: Uint8Array, size: number): ByteSource {
  return {
    name: "large.gguf",
    size,
    async read(target, position) {
      target.set(header.subarray(position, position + target.byteLength));
    },
  };
}

describe("large files", () => {
  it("tensors above 4 GiB lie where they should", async () => {
    const shapes = [
      { name: "a", dimensions: [2 ** 16, 2 ** 16], type: F16 },
      { name: "b", dimensions: [5], type: F16 },
      { name: "c", dimensions: [2 ** 20, 2 ** 19], type: F16 },
    ];
    const layout = layoutGguf(new GgufMetadata(), shapes);
    const { header } = await openGguf(headerSource(ggufHeaderBytes(layout), layout.fileBytes));
    expect(header.tensors.map(({ offset }) => offset)).toEqual([0, 2 ** 33, 2 ** 33 + 32]);
    expect(header.tensors[2]?.byteLength).toBe(2 ** 40);
    expect(header.dataBytes).toBe(2 ** 33 + 32 + 2 ** 40);
    const short = headerSource(ggufHeaderBytes(layout), layout.fileBytes - 1);
    await expect(openGguf(short)).rejects.toThrow(/it was cut off/);
  });

  it("sizes beyond 2^53 are refused", () => {
    const layout = layoutGguf(new GgufMetadata(), [{ name: "a", dimensions: [4], type: F16 }]);
    const bytes = ggufHeaderBytes(layout);
    const view = new DataView(bytes.buffer);
    const at = 24 + 8 + 1 + 4;
    view.setBigUint64(at, 2n ** 53n - 4n, true);
    const parse = () => new GgufHeaderParser({ file: "x" }).push(bytes);
    expect(parse).toThrow(/more than 2\^53 − 1 bytes/);
    view.setBigUint64(at, 2n ** 62n, true);
    expect(parse).toThrow(/a dimension of 4611686018427388000, expected 0 to 2\^53/);
  });

  it("a vocabulary of 10 MB is parsed once, whatever the chunks, into views", () => {
    const tokens = Array.from({ length: 262_144 }, (_, i) => `token ${i} ${"x".repeat(i % 40)}`);
    const metadata = new GgufMetadata([
      ggufEntry("general.architecture", "string", "llama"),
      ggufEntry("tokenizer.ggml.tokens", "string", tokens),
      ggufEntry(
        "tokenizer.ggml.scores",
        "float32",
        tokens.map((_, i) => -i),
      ),
    ]);
    const bytes = ggufHeaderBytes(layoutGguf(metadata, []));
    expect(bytes.byteLength).toBeGreaterThan(10e6);
    for (const size of [1000, 65_536, bytes.byteLength]) {
      const parser = new GgufHeaderParser({ file: "x" });
      let used = 0;
      for (let at = 0; at < bytes.byteLength; at += size) {
        used += parser.push(bytes.subarray(at, at + size));
      }
      const { metadata: read } = parser.finish();
      expect(used).toBe(bytes.byteLength);
      const entry = read.get("tokenizer.ggml.tokens");
      const isShared = entry?.bytes.buffer === read.get("general.architecture")?.bytes.buffer;
      expect(isShared).toBe(true);
      if (size === 65_536) expect(entry && ggufValue(entry)).toEqual(tokens);
    }
  });

  it("a hostile count takes no memory and no time", () => {
    const header = ggufHeaderBytes(
      layoutGguf(new GgufMetadata([ggufEntry("a", "uint8", [1, 2, 3])]), []),
    );
    const view = new DataView(header.buffer);
    const countAt = 24 + 8 + 1 + 4 + 4;
    view.setBigUint64(countAt, 2n ** 30n, true);
    const parse = (options: object) => new GgufHeaderParser(options).push(header);
    expect(() => parse({})).toThrow(/makes the header longer than 268435456 bytes/);
    expect(() => parse({ fileByteLength: 100 })).toThrow(/but the file has 100/);
    view.setBigUint64(16, 100_001n, true);
    expect(() => parse({})).toThrow(/100001 keys, expected 0 to 100000/);
    view.setBigInt64(8, -1n, true);
    expect(() => parse({})).toThrow(/-1 tensors, expected 0 to 262144/);
  });
});

describe("values", () => {
  it("of every type come back", () => {
    const entries = [
      ggufEntry("u8", "uint8", 255),
      ggufEntry("i8", "int8", -128),
      ggufEntry("u16", "uint16", 65_535),
      ggufEntry("i16", "int16", -32_768),
      ggufEntry("u32", "uint32", 2 ** 32 - 1),
      ggufEntry("i32", "int32", -(2 ** 31)),
      ggufEntry("u64", "uint64", 2n ** 64n - 1n),
      ggufEntry("i64", "int64", -(2n ** 63n)),
      ggufEntry("small", "int64", -5),
      ggufEntry("f32", "float32", 0.5),
      ggufEntry("f64", "float64", 0.1),
      ggufEntry("yes", "bool", true),
      ggufEntry("text", "string", "ä\0€"),
      ggufEntry("texts", "string", ["", "a", "bc"]),
      ggufEntry("numbers", "int16", [1, -2, 3]),
      ggufEntry("none", "bool", []),
    ];
    const bytes = ggufHeaderBytes(layoutGguf(new GgufMetadata(entries), []));
    const parser = new GgufHeaderParser();
    parser.push(bytes);
    const values = [...parser.finish().metadata].map(ggufValue);
    expect(values).toEqual([
      ...[255, -128, 65_535, -32_768, 2 ** 32 - 1, -(2 ** 31), 2n ** 64n - 1n, -(2n ** 63n), -5],
      ...[0.5, 0.1, true, "ä\0€", ["", "a", "bc"], [1, -2, 3], []],
    ]);
  });

  it("that a type cannot hold are refused", () => {
    expect(() => ggufEntry("k", "uint8", 256)).toThrow(/k: expected a whole number .*uint8/);
    expect(() => ggufEntry("k", "int32", 0.5)).toThrow(/whole number/);
    expect(() => ggufEntry("k", "string", 1)).toThrow(/expected a string/);
  });
});
