import { describe, expect, it } from "vitest";
import {
  openSafetensors,
  readSafetensors,
  readTensor,
  SafetensorsStreamParser,
} from "../../../src/formats/safetensors/index.ts";
import type { ByteSource } from "../../../src/foundation/byte-source.ts";
import { bytesSource } from "../../../src/foundation/byte-source.ts";
import { FormatError } from "../../../src/foundation/errors.ts";
import { entryText, fileOf, fileWith, formatErrorOf } from "./files.ts";

/** Three tensors of 4, 0 and 5 bytes; data byte i is i + 1. */
const file = fileWith(
  [
    entryText("a", "F32", "[1]", "[0,4]"),
    entryText("none", "F32", "[0]", "[4,4]"),
    entryText("b", "U8", "[5]", "[4,9]"),
  ],
  9,
);
const dataStart = file.byteLength - 9;
for (let i = 0; i < 9; i++) file[dataStart + i] = i + 1;

function streamOf(
  bytes: Uint8Array,
  chunkBytes: number,
  onCancel: (reason: unknown) => void = () => undefined,
): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      controller.enqueue(bytes.subarray(at, at + chunkBytes));
      at += chunkBytes;
    },
    cancel: onCancel,
  });
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<number[]> {
  const bytes: number[] = [];
  for await (const chunk of chunks) bytes.push(...chunk);
  return bytes;
}

describe("openSafetensors", () => {
  it("reads the header and then any tensor", async () => {
    const opened = await openSafetensors(bytesSource(file, "m"));
    expect(opened.dataStart).toBe(dataStart);
    expect([...(await readTensor(opened, opened.table.at(2)))]).toEqual([5, 6, 7, 8, 9]);
    expect((await readTensor(opened, opened.table.at(1))).byteLength).toBe(0);
  });

  it("asks for windows of 1 MB at most, and for nothing but the header", async () => {
    const asked: [number, number][] = [];
    const large = fileOf(`{"__metadata__":{"k":"${"v".repeat(3_000_000)}"}}`);
    const source: ByteSource = {
      name: "large",
      size: large.byteLength,
      read(target, position) {
        asked.push([position, target.byteLength]);
        target.set(large.subarray(position, position + target.byteLength));
        return Promise.resolve();
      },
    };
    const { table } = await openSafetensors(source);
    expect(table.metadata.get("k")).toHaveLength(3_000_000);
    expect(asked.length).toBe(4);
    expect(asked[0]).toEqual([0, 8]);
    expect(Math.max(...asked.map(([, size]) => size))).toBe(2 ** 20);
    expect(asked.reduce((sum, [, size]) => sum + size, 0)).toBe(large.byteLength);
  });

  it.each([0, 1, 7])("refuses a file of %i bytes", async (size) => {
    await expect(openSafetensors(bytesSource(file.subarray(0, size), "m"))).rejects.toThrow(
      `m, byte 0: the file ends after ${size} bytes, expected 8 of header length`,
    );
  });

  it("refuses a truncated file and trailing bytes before any data is read", async () => {
    const short = bytesSource(file.subarray(0, -1), "m");
    await expect(openSafetensors(short)).rejects.toMatchObject({ code: "FORMAT", tensor: "b" });
    const long = bytesSource(new Uint8Array([...file, 0]), "m");
    await expect(openSafetensors(long)).rejects.toThrow("1 trailing bytes");
  });

  it("says so when a tensor does not fit into one buffer", async () => {
    const opened = await openSafetensors(bytesSource(file, "m"));
    const entry = { ...opened.table.at(0), end: 2 ** 52 };
    await expect(readTensor(opened, entry)).rejects.toThrow("do not fit into one buffer");
  });
});

describe("SafetensorsStreamParser", () => {
  it.each([1, 3, 8, 50, 1000])("gives the header once, then data in order (%i)", (chunkBytes) => {
    const parser = new SafetensorsStreamParser({ file: "s" });
    const data: number[] = [];
    let headerCount = 0;
    for (let at = 0; at < file.byteLength; at += chunkBytes) {
      const chunk = file.subarray(at, at + chunkBytes);
      for (const event of parser.push(chunk)) {
        if (event.type === "header") {
          headerCount += 1;
          expect(event.dataStart).toBe(dataStart);
          expect(event.table.length).toBe(3);
        } else {
          expect(event.position).toBe(data.length);
          expect(event.bytes.buffer).toBe(chunk.buffer);
          data.push(...event.bytes);
        }
      }
    }
    parser.finish();
    expect(headerCount).toBe(1);
    expect(data).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("names the tensor that a truncated stream ends in", () => {
    for (const [kept, tensor] of [
      [0, "a"],
      [3, "a"],
      [4, "b"],
      [8, "b"],
    ] as const) {
      const parser = new SafetensorsStreamParser();
      parser.push(file.subarray(0, dataStart + kept));
      const error = formatErrorOf(() => parser.finish());
      expect(error).toMatchObject({ file: "stream", tensor, offset: dataStart + kept });
      expect(error.message).toContain(`its tensors take 9 bytes, it has ${kept}`);
    }
  });

  it("refuses trailing bytes as soon as they come", () => {
    const parser = new SafetensorsStreamParser();
    parser.push(file);
    expect(parser.push(new Uint8Array(0))).toEqual([]);
    const error = formatErrorOf(() => parser.push(new Uint8Array(1)));
    expect(error).toMatchObject({ offset: file.byteLength });
  });

  it("refuses a stream that ends inside the header", () => {
    const parser = new SafetensorsStreamParser();
    parser.push(file.subarray(0, 20));
    expect(() => parser.finish()).toThrow(/ends inside the header, which reaches to byte/);
  });
});

describe("readSafetensors", () => {
  it.each([1, 7, 4096])("yields every tensor with its bytes (chunks of %i)", async (chunkBytes) => {
    const seen: [string, number[]][] = [];
    for await (const { entry, body } of readSafetensors(streamOf(file, chunkBytes))) {
      seen.push([entry.name, await collect(body)]);
    }
    expect(seen).toEqual([
      ["a", [1, 2, 3, 4]],
      ["none", []],
      ["b", [5, 6, 7, 8, 9]],
    ]);
  });

  it("skips what was not read", async () => {
    const seen: [string, number[]][] = [];
    for await (const { entry, body } of readSafetensors(streamOf(file, 2))) {
      if (entry.name === "a") {
        for await (const _ of body) break;
      }
      if (entry.name === "b") seen.push([entry.name, await collect(body)]);
    }
    expect(seen).toEqual([["b", [5, 6, 7, 8, 9]]]);
  });

  it("lets a body be read once", async () => {
    for await (const { body } of readSafetensors(streamOf(file, 64))) {
      await collect(body);
      expect(() => body[Symbol.asyncIterator]()).toThrow(/to be read once/);
    }
  });

  it("cancels the stream when the loop is left, and frees its lock", async () => {
    let isCancelled = false;
    const stream = streamOf(file, 5, () => {
      isCancelled = true;
    });
    for await (const _ of readSafetensors(stream)) break;
    expect(isCancelled).toBe(true);
    expect(stream.locked).toBe(false);
  });

  it("stops at an abort signal and cancels the stream", async () => {
    let isCancelled = false;
    const stream = streamOf(file, 1, () => {
      isCancelled = true;
    });
    const abort = new AbortController();
    const parts = readSafetensors(stream, { signal: abort.signal });
    await parts.next();
    abort.abort();
    await expect(parts.next()).rejects.toMatchObject({ name: "AbortError" });
    expect(isCancelled).toBe(true);
  });

  it.each([
    ["a truncated stream", file.subarray(0, -1), /truncated/],
    ["trailing bytes", new Uint8Array([...file, 0]), /trailing bytes/],
    ["a stream without a header", file.subarray(0, 3), /expected 8 of header length/],
  ])("refuses %s", async (_name, bytes, message) => {
    const read = async () => {
      for await (const { body } of readSafetensors(streamOf(bytes, 4), { file: "s" })) {
        await collect(body);
      }
    };
    await expect(read()).rejects.toThrow(FormatError);
    await expect(read()).rejects.toThrow(message);
  });

  it("yields nothing for a file without tensors", async () => {
    const parts = [];
    for await (const part of readSafetensors(streamOf(fileOf("{}"), 4))) parts.push(part);
    expect(parts).toEqual([]);
  });
});
