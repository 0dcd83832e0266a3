/** Scales that need a statistic of the whole tensor: files read it twice, streams must hold it. */

import { describe, expect, it } from "vitest";
import { QuantizeSafetensorsStream } from "../../src/checkpoint/quantize-stream.ts";
import { type CodingOptions, NonFiniteError, PlanError } from "../../src/index.ts";
import { sameBytes } from "../kernels/calls.ts";
import { nativeParts, recordOf, toFile, toStream } from "./native-parts.ts";
import { bitsOf, fileInOrder, opaque, type ReadFile, weights } from "./safetensors-files.ts";
import { errorOf, sourceOf } from "./streams.ts";

const name = "layers.0.fc1.weight";
/** 1.2 MB: more than a tile. */
const tensor = weights(name, [600, 512], "F32", { seed: 11 });
const byteCount = tensor.bytes.byteLength;
const source = fileInOrder([tensor, opaque("ids", "I64", [2])]);

const NEEDS_ALL: readonly CodingOptions[] = [
  { quantType: "int8", granularity: "tensor" },
  { quantType: "int4", granularity: "tensor", symmetric: true },
  { quantType: "uint8", granularity: "channel", axis: 1 },
  { quantType: "nvfp4" },
  { quantType: "fp8-e4m3" },
  { quantType: "fp8-e5m2", granularity: "channel", axis: 1 },
];

const FLOWS: readonly CodingOptions[] = [
  { quantType: "int8" },
  { quantType: "int4" },
  { quantType: "int4", granularity: "channel", axis: 0 },
  { quantType: "uint4", blockSize: 4096 },
  { quantType: "mxfp4" },
  { quantType: "mxfp8" },
  { quantType: "mxfp8-e5m2" },
  { quantType: "fp8-e4m3", granularity: "block" },
  { quantType: "af4" },
];

function expectParts(file: ReadFile, coding: CodingOptions): void {
  for (const [part, [dtype, shape, bytes]] of nativeParts(name, recordOf(tensor, coding))) {
    const got = file.get(part);
    expect(`${part} ${got.dtype} [${got.shape}]`).toBe(`${part} ${dtype} [${shape}]`);
    sameBytes(got.bytes, bytes, part);
  }
  // PyTorch refuses what does not begin at a multiple of its item size.
  for (const { dtype, begin } of file.tensors) {
    expect(begin % Math.max(1, bitsOf(dtype) / 8)).toBe(0);
  }
}

describe.each(NEEDS_ALL)("%o", (coding) => {
  it("is read twice from a file", async () => {
    expectParts((await toFile(source, coding)).file, coding);
  });

  it("is held by a stream that may hold it", async () => {
    expectParts(await toStream(source, { ...coding, maxTensorBytes: byteCount }), coding);
  });

  it("is refused by a stream that may not, by its name and before it is read", async () => {
    const { stream, given } = sourceOf(source, 4096);
    const options = { ...coding, maxTensorBytes: byteCount - 1 };
    const chunks: Uint8Array[] = [];
    const piped = stream.pipeThrough(new QuantizeSafetensorsStream(options));
    const error = await errorOf(
      (async () => {
        for await (const chunk of piped) chunks.push(chunk);
      })(),
    );
    expect(error).toBeInstanceOf(PlanError);
    expect(error.message).toMatch(
      new RegExp(
        `tensor "layers\\.0\\.fc1\\.weight": the scales of ${coding.quantType} need a statistic of ` +
          `the whole tensor.*${byteCount} bytes, and maxTensorBytes.* allows ${byteCount - 1}; raise`,
      ),
    );
    expect(chunks).toEqual([]);
    expect(given()).toBeLessThan(byteCount / 2);
  });

  it("tells of NaN by the tensor and the place in it", async () => {
    const bytes = tensor.bytes.slice();
    new DataView(bytes.buffer).setFloat32(4 * 290_001, NaN, true);
    const bad = fileInOrder([{ ...tensor, bytes }]);
    for (const run of [() => toFile(bad, coding), () => toStream(bad, coding)]) {
      const error = await errorOf(run());
      expect(error).toBeInstanceOf(NonFiniteError);
      expect(error).toMatchObject({ tensor: name, index: 290_001 });
      expect(error.message).toMatch(/"layers\.0\.fc1\.weight": element 290001 is NaN/);
    }
  });
});

describe.each(FLOWS)("%o", (coding) => {
  it("flows through a stream that may hold nothing", async () => {
    const options = { ...coding, maxTensorBytes: 0 };
    expectParts(await toStream(source, options), coding);
    expectParts(await toStream(source, { ...options, kernels: "reference" }, 65_537), coding);
  });

  it("is the same from a file", async () => {
    expectParts((await toFile(source, coding)).file, coding);
  });
});

describe("a tensor of one tile", () => {
  it.each(NEEDS_ALL)("is never refused, as a tile holds it: %o", async (coding) => {
    const small = fileInOrder([weights(name, [64, 64], "F32", { seed: 12 })]);
    await expect(toStream(small, { ...coding, maxTensorBytes: 0 })).resolves.toBeDefined();
  });
});
