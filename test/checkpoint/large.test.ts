/** Tensors above 2 GiB and files above 4 GiB, from a source that is not there. */

import { describe, expect, it } from "vitest";
import { convertFiles } from "../../src/checkpoint/convert.ts";
import { singleOutputFile } from "../../src/checkpoint/output-plan.ts";
import { Plan } from "../../src/checkpoint/plan.ts";
import { openSafetensors } from "../../src/formats/safetensors/index.ts";
import type { ByteSource } from "../../src/foundation/byte-source.ts";
import { quantize } from "../../src/index.ts";
import { newWorkspace } from "../../src/tensor/default-workspace.ts";
import { sameBytes } from "../kernels/calls.ts";
import { weights } from "./safetensors-files.ts";

const GIB = 2 ** 30;
const MODEL = { modelType: "llama", architectures: ["LlamaForCausalLM"] };

const small = weights("model.layers.1.mlp.up_proj.weight", [64, 128], "F32");
const HUGE = "model.layers.0.mlp.up_proj.weight";
const huge = { shape: [2 ** 14 + 1, 2 ** 15], byteLength: 4 * (2 ** 14 + 1) * 2 ** 15 };
const filler = { name: "filler", byteLength: 5 * GIB };

/** The small weights come last, more than 7 GiB into the file; all else reads as it happens to. */
function sparseSource(): ByteSource {
  const begin = filler.byteLength + huge.byteLength;
  const entries = [
    `"filler":{"dtype":"U8","shape":[${filler.byteLength}],"data_offsets":[0,${filler.byteLength}]}`,
    `"${HUGE}":{"dtype":"F32","shape":[${huge.shape}],"data_offsets":[${filler.byteLength},${begin}]}`,
    `"${small.name}":{"dtype":"F32","shape":[${small.shape}],` +
      `"data_offsets":[${begin},${begin + small.bytes.byteLength}]}`,
  ];
  const text = Buffer.from(`{${entries.join(",")}}`);
  const head = Buffer.alloc(8 + text.byteLength);
  head.writeBigUInt64LE(BigInt(text.byteLength));
  head.set(text, 8);
  const smallAt = head.byteLength + begin;
  return {
    name: "sparse",
    size: smallAt + small.bytes.byteLength,
    async read(target, position) {
      if (position < head.byteLength) {
        target.set(head.subarray(position, position + target.byteLength));
      } else if (position >= smallAt) {
        const at = position - smallAt;
        target.set(small.bytes.subarray(at, at + target.byteLength));
      }
    },
  };
}

/** Keeps the header, and what is written for the small weights; counts the rest. */
function sparseSink() {
  const pieces = new Map<number, Uint8Array>();
  let written = 0;
  let size = 0;
  return {
    name: "sparse output",
    write: async (bytes: Uint8Array, position: number) => {
      written += bytes.byteLength;
      if (bytes.byteLength < 1 << 20) pieces.set(position, bytes.slice());
    },
    read: async () => expect.fail("nothing needs to be moved"),
    truncate: async (bytes: number) => {
      size = bytes;
    },
    close: async () => {},
    /** What was written there, in however many pieces. */
    at(position: number, byteCount: number): Uint8Array<ArrayBuffer> {
      const bytes = new Uint8Array(byteCount);
      for (let filled = 0; filled < byteCount; ) {
        const piece = pieces.get(position + filled)?.subarray(0, byteCount - filled);
        if (piece === undefined) throw new Error(`nothing was written at ${position + filled}`);
        bytes.set(piece, filled);
        filled += piece.byteLength;
      }
      return bytes;
    },
    result: () => ({ written, size }),
  };
}

describe("a tensor of more than 2 GiB in a file of more than 4 GiB", () => {
  it("is converted, and what lies behind it is found and placed", async () => {
    expect(huge.byteLength).toBeGreaterThan(2 * GIB);
    const file = await openSafetensors(sparseSource());
    const plan = new Plan([{ name: "sparse", table: file.table }], MODEL, { doubleQuant: false });
    expect(plan.counts()).toMatchObject({ nf4: 2, copy: 1 });
    const sink = sparseSink();
    const output = singleOutputFile(plan, "out.safetensors");
    const [written] = await convertFiles(
      plan,
      [file],
      [output],
      async () => sink,
      newWorkspace("wasm"),
      { allowNonFinite: true },
    );
    expect(written?.bytes).toBe(sink.result().size);
    expect(sink.result().written).toBe(sink.result().size);
    expect(sink.result().size).toBeGreaterThan(5.25 * GIB);

    const headerBytes = Number(new DataView(sink.at(0, 8).buffer).getBigUint64(0, true));
    const header = JSON.parse(Buffer.from(sink.at(8, headerBytes)).toString());
    const expected = quantize(new Float32Array(small.bytes.slice().buffer), { doubleQuant: false });
    const partOf = (name: string): Uint8Array => {
      const [from, to] = header[name].data_offsets;
      return sink.at(8 + headerBytes + from, to - from);
    };
    sameBytes(partOf(small.name), expected.codes, "codes");
    const absmax = expected.absmax as Float32Array;
    sameBytes(partOf(`${small.name}.absmax`), new Uint8Array(absmax.buffer), "absmax");
    const [begin, end] = header[small.name].data_offsets;
    expect(begin).toBeGreaterThan(5 * GIB);
    expect(end - begin).toBe(expected.codes.byteLength);
    expect(header[`${HUGE}.absmax`].shape).toEqual([huge.byteLength / 4 / 64]);
  }, 60_000);
});
