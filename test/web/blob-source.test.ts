import { describe, expect, it } from "vitest";
import { openSafetensors, readTensor } from "../../src/formats/safetensors/index.ts";
import { FormatError, StorageError } from "../../src/foundation/errors.ts";
import { blobSource } from "../../src/web/blob-source.ts";
import { sourceStream } from "../../src/web/source-stream.ts";
import { referenceFile, weights } from "../checkpoint/safetensors-files.ts";
import { collect, errorOf } from "../checkpoint/streams.ts";
import { sameBytes } from "../kernels/calls.ts";
import { patternBytes } from "./server.ts";

describe("a blob", () => {
  it("is read as a safetensors file, by slices alone", async () => {
    const tensor = weights("a.weight", [40, 50], "F32", { seed: 1 });
    const blob = new Blob([referenceFile([tensor])]);
    Object.defineProperty(blob, "arrayBuffer", { value: undefined });
    const file = await openSafetensors(blobSource(blob, "model.safetensors"));
    sameBytes(await readTensor(file, file.table.at(0)), tensor.bytes, "a.weight");
  });

  it("is called by a file's own name, or as told", () => {
    expect(blobSource(new Blob([])).name).toBe("blob");
    expect(blobSource(new File([], "weights.safetensors")).name).toBe("weights.safetensors");
    expect(blobSource(new File([], "weights.safetensors"), "other").name).toBe("other");
  });

  it("ends where it ends", async () => {
    const source = blobSource(new Blob([new Uint8Array(10)]));
    await source.read(new Uint8Array(10), 0);
    await source.read(new Uint8Array(0), 10);
    const error = await errorOf(source.read(new Uint8Array(2), 9));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toBe("blob, byte 10: the file ends here");
  });

  it("that cannot be read any more is told of", async () => {
    const gone = {
      size: 10,
      slice: () => ({
        arrayBuffer: () => Promise.reject(new DOMException("gone", "NotReadableError")),
      }),
    };
    const error = await errorOf(blobSource(gone as never, "a").read(new Uint8Array(1), 0));
    expect(error).toBeInstanceOf(StorageError);
    expect(error.message).toBe("cannot read a: gone; choose the file again");
  });

  it("that gives less than its size is told of", async () => {
    const shrunk = { size: 10, slice: () => new Blob([new Uint8Array(3)]) };
    const error = await errorOf(blobSource(shrunk as never, "a").read(new Uint8Array(5), 2));
    expect(error.message).toBe("a, byte 5: the file ends here, earlier than its size says");
  });
});

describe("a source as a stream", () => {
  it.each([0, 1, 1_000_000])("gives all of %i bytes, when they are asked for", async (length) => {
    const bytes = patternBytes(length);
    let reads = 0;
    const source = blobSource(new Blob([bytes]));
    const counted = {
      ...source,
      read(target: Uint8Array, position: number) {
        reads++;
        return source.read(target, position);
      },
    };
    const stream = sourceStream(counted);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(reads).toBe(0);
    sameBytes(await collect(stream), bytes, "all bytes");
  });
});
