import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  encodeGgufHeader,
  ggufValue,
  layoutGguf,
  openGguf,
  readGguf,
} from "../../../src/formats/gguf/index.ts";
import { bytesSource } from "../../../src/foundation/byte-source.ts";
import { FormatError } from "../../../src/foundation/errors.ts";
import { containers, edgeFile, goldenFile } from "./vectors.ts";

const open = (bytes: Uint8Array) => openGguf(bytesSource(bytes, "x.gguf"));

function chunked(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) controller.close();
      else controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

async function throughStream(bytes: Uint8Array, size: number): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for await (const { tensor, body } of readGguf(chunked(bytes, size), { file: "x.gguf" })) {
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part.slice());
    found.set(tensor.name, Buffer.concat(parts));
  }
  return found;
}

/** What each message must speak of. */
const REASONS: Readonly<Record<string, RegExp>> = {
  "bad-align-type": /"general\.alignment" is of type .*expected uint32/,
  "bad-align24": /"general\.alignment" is 24, expected a power of two/,
  "bad-dup-key": /key ".*" occurs twice/,
  "bad-dup-tensor": /tensor ".*", byte \d+: the name occurs twice/,
  "bad-empty-key": /an empty key/,
  "bad-huge-array": /elements, at most|but the file has/,
  "bad-huge-string": /bytes, at most|but the file has/,
  "bad-kvtype13": /type 13, expected 0 to 12/,
  "bad-magic": /does not begin with "GGUF"/,
  "bad-name64": /name has 64 bytes, at most 63/,
  "bad-ndims5": /5 dimensions, at most 4/,
  "bad-negative-dim": /a dimension of -/,
  "bad-nested-array": /array of arrays/,
  "bad-offset-gap": /its data begins at \d+, expected \d+/,
  "bad-offset-order": /its data begins at \d+, expected \d+/,
  "bad-row-multiple": /rows of \d+ values, but .* has blocks of/,
  "bad-truncated-data": /it was cut off/,
  "bad-truncated-kv": /an empty key/,
  "bad-type31": /type 31, which is unknown/,
  "bad-type99": /type 99, which is unknown/,
  "bad-v1": /version 1, expected 2 or 3/,
  "bad-v4": /version 4, expected 2 or 3/,
  bigendian: /big-endian/,
  "last-tensor-unpadded": /it was cut off/,
};

describe("the verdicts of ggml's reader", () => {
  it("are known for 40 files", () => expect(containers.edge.files).toHaveLength(40));

  for (const { file, ggml_reader: verdict } of containers.edge.files) {
    const name = file.replace(/^edge\/|\.gguf$/g, "");
    it(`${name}: ${verdict}, over ranges and in a stream`, async () => {
      const bytes = edgeFile(name);
      if (verdict === "accept") {
        const { header } = await open(bytes);
        const streams = await Promise.all([1, 7, 1e6].map((size) => throughStream(bytes, size)));
        for (const found of streams) {
          expect([...found.keys()]).toEqual(header.tensors.map((tensor) => tensor.name));
          for (const { name: tensor, offset, byteLength } of header.tensors) {
            const start = header.dataStart + offset;
            expect(found.get(tensor)).toEqual(Buffer.from(bytes.slice(start, start + byteLength)));
          }
        }
        return;
      }
      const error = await open(bytes).then(
        () => undefined,
        (cause: unknown) => cause,
      );
      expect(error).toBeInstanceOf(FormatError);
      expect((error as Error).message).toMatch(REASONS[name] as RegExp);
      expect((error as Error).message).toMatch(/^x\.gguf/);
      for (const size of [1, 1e6]) {
        await expect(throughStream(bytes, size)).rejects.toBeInstanceOf(FormatError);
      }
    });
  }
});

describe("the golden files", () => {
  for (const { file, tensors, file_type: fileType } of containers.files) {
    const name = file.replace(/^gguf\/|\.gguf$/g, "");
    it(`${name} is read as ggml reads it, and written again byte for byte`, async () => {
      const bytes = goldenFile(name);
      const { header } = await open(bytes);
      const found = header.tensors.map((tensor) => ({
        name: tensor.name,
        ne: tensor.dimensions,
        type: tensor.type.name,
        offset: tensor.offset,
        bytes: tensor.byteLength,
        sha256: createHash("sha256")
          .update(dataOf(bytes, header.dataStart + tensor.offset, tensor.byteLength))
          .digest("hex"),
      }));
      expect(found).toEqual(tensors);
      expect(header.metadata.integer("general.file_type")).toBe(fileType);
      expect(header.metadata.string("general.architecture")).toBe("llama");
      const tokens = header.metadata.get("tokenizer.ggml.tokens");
      expect(tokens && ggufValue(tokens)).toContain("<0x0A>");

      const layout = layoutGguf(header.metadata, header.tensors);
      const parts = [...encodeGgufHeader(layout, header.version)];
      for (const tensor of layout.tensors) {
        parts.push(dataOf(bytes, header.dataStart + tensor.offset, tensor.byteLength));
        const end = layout.dataStart + tensor.offset + tensor.byteLength;
        parts.push(new Uint8Array(Math.ceil(end / 32) * 32 - end));
      }
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
      expect(layout.fileBytes).toBe(bytes.byteLength);
    });
  }

  it("the accepted edge files keep their headers", async () => {
    const accepted = containers.edge.files.filter(({ ggml_reader }) => ggml_reader === "accept");
    for (const { file } of accepted) {
      const name = file.replace(/^edge\/|\.gguf$/g, "");
      if (name === "nonzero-padding") continue;
      const bytes = edgeFile(name);
      const { header } = await open(bytes);
      const layout = layoutGguf(header.metadata, header.tensors);
      const again = Buffer.concat([...encodeGgufHeader(layout, header.version)]);
      expect(again.equals(bytes.subarray(0, header.dataStart)), name).toBe(true);
    }
  });
});

function dataOf(bytes: Uint8Array, start: number, byteLength: number): Uint8Array {
  return bytes.subarray(start, start + byteLength);
}
