/** Known answers: an engine that accepts SIMD may still compute it wrongly. */

import { UINT8 } from "../schemes/affine.ts";
import { type Codebook, midpointDecision } from "../schemes/codebook.ts";
import { dynamic8 } from "../schemes/dynamic8.ts";
import { E2M1, E4M3 } from "../schemes/float-format.ts";
import { FP4 } from "../schemes/fp4.ts";
import { NF4 } from "../schemes/nf4.ts";
import type { KernelSet } from "./kernel-set.ts";

/** Three blocks and a short one; the same values as rows. */
const COUNT = 99;
const BLOCK = 32;
const ROWS = 3;
const COLUMNS = COUNT / ROWS;
const RUNS = {
  rowLength: COUNT,
  runLength: BLOCK,
  startColumn: 0,
  firstScale: 0,
  scaleCount: Math.ceil(COUNT / BLOCK),
};

/** So near that a wrong byte of a key shows, but no key is left to comparisons. */
const NEAR = 1 / 384;

/** Bytes of a place: an f32 a value, rounded up. */
const PLACE_BYTES = 400;

/** Addresses of eight places. */
interface Places {
  /** f32, and the same as 16-bit floats. */
  readonly values: number;
  readonly halves: number;
  readonly scales: number;
  readonly others: number;
  readonly codes: number;
  readonly packed: number;
  readonly decoded: number;
  readonly numbers: number;
}

/** The kernels of a family, and the hash of what all places hold after they ran. */
interface Family {
  readonly name: string;
  readonly answer: number;
  run(kernels: KernelSet, places: Places): void;
}

/** Each goes on from what those before it left. A test compares the answers with the reference's. */
const FAMILIES: readonly Family[] = [
  {
    name: "float16",
    answer: 0x95bd1332,
    run(kernels, { values, halves, decoded }) {
      kernels.convert("float32", "float16", values, halves, COUNT);
      kernels.convert("float16", "float32", halves, decoded, COUNT);
    },
  },
  {
    name: "bfloat16",
    answer: 0xa9054370,
    run(kernels, { values, halves, decoded }) {
      kernels.convert("float32", "bfloat16", values, halves, COUNT);
      kernels.convert("bfloat16", "float32", halves, decoded, COUNT);
    },
  },
  {
    name: "NF4",
    answer: 0x59d0b97c,
    run(kernels, { values, halves, codes, packed, scales, decoded, numbers }) {
      kernels.quantize4(NF4, "torch", "bfloat16", halves, packed, scales, COUNT, BLOCK);
      kernels.quantize4(NF4, "torch", "float32", values, codes, scales, COUNT, BLOCK);
      kernels.dequantize4(NF4, "float32", codes, scales, decoded, COUNT, BLOCK);
      kernels.dequantize4(NF4, "bfloat16", codes, scales, numbers, COUNT, BLOCK);
    },
  },
  {
    name: "FP4",
    answer: 0x5feb4d7b,
    run(kernels, { values, halves, codes, packed, scales, numbers }) {
      kernels.quantize4(FP4, "torch", "bfloat16", halves, packed, scales, COUNT, BLOCK);
      kernels.quantize4(FP4, "torch", "float32", values, codes, scales, COUNT, BLOCK);
      kernels.dequantize4(FP4, "float16", codes, scales, numbers, COUNT, BLOCK);
    },
  },
  {
    // Quantizing needs a table that takes milliseconds to build.
    name: "dynamic 8-bit",
    answer: 0x527cf5aa,
    run(kernels, { codes, scales, decoded }) {
      kernels.dequantize8(dynamic8(), "float32", codes, scales, decoded, COUNT, BLOCK);
    },
  },
  {
    name: "LLM.int8",
    answer: 0xcd5a30ff,
    run(kernels, { values, codes, scales, decoded }) {
      kernels.quantizeInt8Rows("float32", values, codes, scales, ROWS, COLUMNS);
      kernels.dequantizeInt8Rows("float32", codes, scales, decoded, ROWS, COLUMNS);
    },
  },
  {
    name: "affine integers",
    answer: 0xc7ad4b9c,
    run(kernels, { values, codes, scales, others, decoded, numbers }) {
      new Float32Array(kernels.buffer, decoded, RUNS.scaleCount).fill(0);
      new Float32Array(kernels.buffer, numbers, RUNS.scaleCount).fill(0);
      kernels.range(values, decoded, numbers, COUNT, RUNS);
      kernels.affineParameters(UINT8, false, decoded, numbers, scales, others, RUNS.scaleCount);
      kernels.quantizeAffine(UINT8, values, scales, others, codes, COUNT, RUNS);
      kernels.dequantizeAffine(UINT8, codes, scales, others, decoded, COUNT, RUNS);
    },
  },
  {
    name: "small floats",
    answer: 0x3572da5b,
    run(kernels, { values, codes, packed, scales, decoded, numbers }) {
      kernels.quantizeFloat(E4M3, values, scales, codes, COUNT, RUNS);
      kernels.dequantizeFloat(E4M3, codes, scales, decoded, COUNT, RUNS);
      kernels.quantizeFloat(E2M1, values, scales, codes, COUNT, RUNS);
      kernels.dequantizeFloat(E2M1, codes, scales, numbers, COUNT, RUNS);
      kernels.packNibbles(codes, packed, COUNT);
      kernels.unpackNibbles(packed, codes, COUNT, true);
    },
  },
  {
    name: "embeddings",
    answer: 0x7de98249,
    run(kernels, { values, codes, packed, scales, others, decoded, numbers }) {
      const rows = [ROWS, COLUMNS] as const;
      kernels.columnExtremes(values, scales, others, ...rows);
      kernels.quantizeColumns(true, values, scales, others, codes, ...rows);
      kernels.dequantizeColumns(true, codes, scales, others, decoded, ...rows);
      kernels.dotCodes(true, values, codes, numbers, ...rows);
      kernels.packSigns(false, values, packed, ...rows);
      kernels.hammingDistances(codes, packed, scales, ROWS, Math.ceil(COLUMNS / 8));
    },
  },
];

/**
 * Runs every family on a few values, in well under a millisecond once tables are built.
 *
 * @returns the name of each family, the hash of what it gave, and the hash of the reference's
 */
export function knownAnswers(
  kernels: KernelSet,
): readonly { readonly name: string; readonly hash: number; readonly answer: number }[] {
  const begin = kernels.allocate(8 * PLACE_BYTES);
  const [values, halves, scales, others, codes, packed, decoded, numbers] = Array.from(
    { length: 8 },
    (_, place) => begin + place * PLACE_BYTES,
  ) as [number, number, number, number, number, number, number, number];
  const places = { values, halves, scales, others, codes, packed, decoded, numbers };
  // The second block is too small for keys.
  const nf4 = nearThresholds(NF4);
  const all = [...nf4, ...nf4.map((value) => value * 2 ** -110), ...nearThresholds(FP4), 1, -2, 3];
  new Float32Array(kernels.buffer, values, COUNT).set(all);
  return FAMILIES.map(({ name, answer, run }) => {
    run(kernels, places);
    return { name, answer, hash: hashOf(new Uint32Array(kernels.buffer, begin, 2 * PLACE_BYTES)) };
  });
}

/** Sixteen values just above the thresholds of a 4-bit codebook, and as many just below. */
function nearThresholds(codebook: Codebook): number[] {
  const midpoints = [...midpointDecision(codebook).midpoints];
  return [
    ...midpoints.map((value) => value + NEAR),
    1,
    ...midpoints.map((value) => value - NEAR),
    -1,
  ];
}

function hashOf(words: Uint32Array): number {
  let hash = 0;
  for (let i = 0; i < words.length; i++) {
    hash = Math.imul(hash ^ (words[i] as number), 0x9e3779b1);
  }
  return hash >>> 0;
}
