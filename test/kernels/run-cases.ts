/** Geometries, lengths, scales and values for the kernels whose scales lie in runs. */

import type { ScaleRuns } from "../../src/kernels/kernel-set.ts";
import { type AffineFormat, INT4, INT8, UINT4, UINT8 } from "../../src/schemes/affine.ts";
import { f32FromBits } from "../../src/schemes/codebook.ts";
import { E2M1, E4M3, E5M2, type FloatFormat } from "../../src/schemes/float-format.ts";
import { family, normal, seeded } from "./cases.ts";

export const AFFINE_FORMATS: readonly AffineFormat[] = [INT8, UINT8, INT4, UINT4];
export const FLOAT_FORMATS: readonly FloatFormat[] = [E2M1, E4M3, E5M2];

const runs = (
  rowLength: number,
  runLength: number,
  scaleCount: number,
  startColumn = 0,
  firstScale = 0,
): ScaleRuns => ({ rowLength, runLength, startColumn, firstScale, scaleCount });

/** Where scales lie; larger than 2^32 too, since a tensor may be. */
export const GEOMETRIES: Readonly<Record<string, readonly ScaleRuns[]>> = {
  "per tensor": [runs(1000, 1000, 1), runs(1000, 1000, 1, 321), runs(2 ** 40, 2 ** 40, 1, 2 ** 39)],
  "channels of the first axis": [runs(48, 48, 7, 0, 3), runs(48, 48, 7, 31, 6)],
  "channels of a middle axis": [runs(12, 12, 5, 0, 9), runs(12, 12, 5, 11, 4)],
  "runs of 3": [runs(3, 3, 4), runs(3, 3, 4, 2, 3)],
  "runs of 2, and runs of 1 that are cut": [runs(2, 2, 9, 1), runs(5, 4, 9), runs(5, 2, 9, 3)],
  "channels of the last axis": [1, 2, 3, 4, 7, 64, 100].flatMap((count) => [
    runs(1, 1, count),
    runs(1, 1, count, 0, count - 1),
    runs(1, 5, count, 0, 17),
  ]),
  "runs of 1 in rows": [runs(6, 1, 11, 5, 2)],
  "blocks of 32, whole": [runs(64, 32, 60), runs(64, 32, 60, 32, 7), runs(64, 32, 60, 50)],
  "blocks of 32 with a short last one": [
    runs(100, 32, 60),
    runs(100, 32, 60, 96, 59),
    runs(100, 32, 60, 37),
    runs(33, 32, 60, 31),
  ],
  "blocks larger than a row": [runs(50, 64, 60), runs(50, 2 ** 40, 60, 49)],
  "one scale, and blocks": [runs(100, 32, 1, 37)],
  "the end of a very long run": [runs(2 ** 40, 2 ** 40, 3, 2 ** 40 - 21, 1)],
  "blocks in a very long row": [runs(2 ** 40, 16, 60, 2 ** 39 + 3)],
};

/** Around the run, and what the vector loops leave over. */
export function lengthsOf({ runLength, rowLength }: ScaleRuns): number[] {
  const run = Math.min(runLength, rowLength, 200);
  const lengths = [0, 1, 3, 4, 5, 16, 33, run - 1, run, run + 1, 3 * run + 7];
  return [...new Set(lengths)].filter((length) => length >= 0);
}

/** Scales that make sense, and scales that make none. */
export const SCALES: Readonly<Record<string, (count: number, seed: number) => Float32Array>> = {
  usual: (count, seed) => family("normal", count, seed).map((x) => Math.abs(x) / 64 + 1e-3),
  "powers of two": (count, seed) => {
    const next = seeded(seed);
    return Float32Array.from({ length: count }, () => 2 ** Math.floor(next() * 6 - 3));
  },
  special: (count, seed) => {
    const next = seeded(seed);
    return Float32Array.from({ length: count }, () => {
      return SPECIAL_SCALES[Math.floor(next() * SPECIAL_SCALES.length)] as number;
    });
  },
};

const SPECIAL_SCALES = [
  ...f32FromBits([0x00000000, 0x80000000, 0x00000001, 0x007fffff, 0x00800000, 0x7f7fffff]),
  ...[Infinity, -Infinity, NaN, -1, 1, 3, 2 ** -100, 2 ** 100],
];

/** Values that are multiples of halves: ties of every power of two. */
export function halves(count: number, seed: number): Float32Array {
  const next = seeded(seed);
  return Float32Array.from({ length: count }, () => Math.floor(next() * 700 - 350) / 2);
}

/** Mostly normal, with everything that needs care in between. */
export function mixture(count: number, seed: number): Float32Array {
  const next = seeded(seed);
  const special = [0, -0, NaN, Infinity, -Infinity, 1e-40, -1e-45, 3.4e38, -3.4e38, 0.5, -2.5, 1e9];
  return Float32Array.from({ length: count }, () =>
    next() < 0.4 ? (special[Math.floor(next() * special.length)] as number) : normal(next),
  );
}

export function zeroPointsOf(format: AffineFormat, count: number, seed: number): Float32Array {
  const next = seeded(seed);
  const { lowest, highest } = format;
  return Float32Array.from(
    { length: count },
    () => lowest + Math.floor(next() * (highest - lowest + 1)),
  );
}
