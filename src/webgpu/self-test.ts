/** A device may compute nothing, or something else: what it gives is compared with the reference. */

import { createReferenceKernelSet } from "../kernels/reference/reference-kernel-set.ts";
import { midpointDecision } from "../schemes/codebook.ts";
import { NF4 } from "../schemes/nf4.ts";
import { sharedWorkspace } from "../tensor/default-workspace.ts";
import { dequantize } from "../tensor/dequantize.ts";
import { type AffineCoding, codingOf } from "../tensor/options.ts";
import { quantize } from "../tensor/quantize.ts";
import { decodeAffine, encodeAffine } from "./affine.ts";
import { decodeBlocks, encodeBlocks } from "./blocks.ts";
import type { Gpu } from "./gpu.ts";

const BLOCK = 32;
const COUNT = 5 * BLOCK + 7;
const CODING = { codebook: NF4, blockSize: BLOCK };

/**
 * Blocks near the thresholds, of usual size, of subnormals, and of the largest numbers; a short block.
 *
 * @returns what was wrong, or undefined
 */
export async function selfTest(gpu: Gpu): Promise<string | undefined> {
  const weights = testWeights();
  const kernels = createReferenceKernelSet();
  const [valuesPtr, codesPtr, absmaxPtr] = [4 * COUNT, COUNT, COUNT].map(kernels.allocate) as [
    number,
    number,
    number,
  ];
  new Float32Array(kernels.buffer, valuesPtr, COUNT).set(weights);
  kernels.quantize4(NF4, "torch", "float32", valuesPtr, codesPtr, absmaxPtr, COUNT, BLOCK);
  const bytes = new Uint8Array(weights.buffer);
  const found = await encodeBlocks(gpu, CODING, { bytes, dtype: "float32", elementCount: COUNT });
  const codes = new Uint8Array(kernels.buffer, codesPtr, Math.ceil(COUNT / 2));
  const absmax = new Float32Array(kernels.buffer, absmaxPtr, Math.ceil(COUNT / BLOCK));
  if (found === undefined) return "finite weights were taken for infinite ones";
  if (!isEqual(found.codes, codes)) return "codes differ from the reference's";
  if (!isEqual(bytesOf(found.absmax), bytesOf(absmax)))
    return "absmax differs from the reference's";

  kernels.dequantize4(NF4, "float16", codesPtr, absmaxPtr, valuesPtr, COUNT, BLOCK);
  const expected = new Uint8Array(kernels.buffer, valuesPtr, 2 * COUNT);
  const target = {
    bytes: new Uint8Array(2 * COUNT),
    dtype: "float16" as const,
    elementCount: COUNT,
  };
  await decodeBlocks(gpu, CODING, codes, absmax, target);
  if (!isEqual(target.bytes, expected)) return "weights differ from the reference's";
  return affineTest(gpu, weights, bytes);
}

/** Ranges, codes of quotients, and weights of integers. */
async function affineTest(
  gpu: Gpu,
  weights: Float32Array,
  bytes: Uint8Array,
): Promise<string | undefined> {
  const options = { quantType: "uint4", kernels: "reference", shape: [1, COUNT] } as const;
  const record = quantize(weights, { ...options, blockSize: BLOCK });
  const coding = codingOf({ quantType: "uint4", blockSize: BLOCK }) as AffineCoding;
  const input = { bytes, dtype: "float32" as const, elementCount: COUNT };
  const found = await encodeAffine(gpu, sharedWorkspace("reference"), coding, [1, COUNT], input);
  if (found === undefined) return "finite weights were taken for infinite ones";
  if (!isEqual(found.codes, record.codes)) return "affine codes differ from the reference's";
  const restored = { ...input, bytes: new Uint8Array(4 * COUNT) };
  await decodeAffine(gpu, record, restored);
  const expected = bytesOf(dequantize(record, { kernels: "reference" }));
  return isEqual(restored.bytes, expected)
    ? undefined
    : "affine weights differ from the reference's";
}

function testWeights(): Float32Array<ArrayBuffer> {
  const { midpoints } = midpointDecision(NF4);
  const near = Array.from({ length: BLOCK }, (_, i) => {
    const midpoint = midpoints[i >> 1];
    return midpoint === undefined ? 1 : midpoint * (1 + (i % 2) * 2 ** -23);
  });
  const scales = [1, 0.3, 2 ** -128, 2 ** -16, 2 ** 127, 0.7];
  return Float32Array.from({ length: COUNT }, (_, i) => {
    return (near[i % BLOCK] as number) * (scales[Math.floor(i / BLOCK)] as number);
  });
}

function bytesOf(floats: Float32Array): Uint8Array {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}

function isEqual(one: Uint8Array, other: ArrayLike<number>): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
