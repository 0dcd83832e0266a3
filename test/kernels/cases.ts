/** Inputs for the kernel suites: one list of lengths, block sizes, codebooks and value families. */

import type { FloatDtype } from "../../src/foundation/dtype.ts";
import { f32ToBf16, f32ToF16 } from "../../src/foundation/half.ts";
import {
  type Codebook,
  f32FromBits,
  midpointDecision,
  type QuantMode,
} from "../../src/schemes/codebook.ts";
import { createDynamicMap, dynamic8 } from "../../src/schemes/dynamic8.ts";
import { FP4 } from "../../src/schemes/fp4.ts";
import { createFp8Map, createLinearMap, custom8 } from "../../src/schemes/maps8.ts";
import { NF4 } from "../../src/schemes/nf4.ts";

/** A small generator with a seed (mulberry32): the suites are the same on every run. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal values. */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export const MODES: readonly QuantMode[] = ["torch", "cuda"];

/** Sixteen unordered levels that fit no cell map: the general path. */
const CLOSE_LEVELS: Codebook = {
  name: "close",
  bits: 4,
  levels: Float32Array.of(
    ...[0.9, -1, 0, 1e-3, 2e-3, -2e-3, 0.25, 0.2501, 0.2502, -0.7, -0.7, 0.5, 0.6, -0.3, 0.8, 1],
  ),
};

export const CODEBOOKS4: readonly Codebook[] = [NF4, FP4, CLOSE_LEVELS];

const random = seeded(8);
const clustered = Float32Array.from({ length: 256 }, (_, i) =>
  i < 100 ? -1 + i * 1e-6 : i < 200 ? 0.3 + i * 1e-5 : random() * 2 - 1,
).sort();

/** Maps with even and uneven steps, with duplicates, and one that needs the search. */
export const CODEBOOKS8: readonly Codebook[] = [
  dynamic8(),
  custom8("dynamic-unsigned", createDynamicMap({ signed: false })),
  custom8("linear", createLinearMap({ signed: true })),
  custom8("linear-unsigned", createLinearMap({ signed: false })),
  custom8("e5m2", createFp8Map({ signed: true, exponentBits: 5, precisionBits: 2 })),
  custom8("e4m3", createFp8Map({ signed: true, exponentBits: 4, precisionBits: 3 })),
  custom8("clustered", clustered),
  custom8(
    "steps",
    Array.from({ length: 256 }, (_, i) => Math.floor(i / 3) / 85),
  ),
];

/** The bytes of `values` in a dtype, rounded to nearest. */
export function encode(dtype: FloatDtype, values: Float32Array): Uint8Array {
  if (dtype === "float32") return new Uint8Array(values.slice().buffer);
  const round = dtype === "float16" ? f32ToF16 : f32ToBf16;
  return new Uint8Array(Uint16Array.from(values, round).buffer);
}

/** The f32 that lies `steps` representable values above a finite `value`. */
export function ulps(value: number, steps: number): number {
  const bits = new Int32Array(new Float32Array([value]).buffer);
  const ordered = (bits[0] as number) < 0 ? -((bits[0] as number) & 0x7fffffff) : bits[0];
  const moved = (ordered as number) + steps;
  bits[0] = moved < 0 ? -moved | 0x80000000 : moved;
  return new Float32Array(bits.buffer)[0] as number;
}

/** Every threshold of a 4-bit or 8-bit codebook, of both modes. */
export function thresholdsOf(codebook: Codebook): number[] {
  const cuda = codebook.cuda?.thresholds ?? [];
  return [...midpointDecision(codebook).midpoints, ...cuda, ...Array.from(cuda, (t) => -t)];
}

const SPECIAL = [
  ...f32FromBits([
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x006ce3ee, 0x006ce3ed,
    0x3f800000, 0xbf800000, 0x3f7fffff, 0x33800000, 0x7f7fffff, 0xff7fffff, 0x477fe000, 0x477ff000,
  ]),
];

/** Families of one block of values each. */
export const FAMILIES: Readonly<Record<string, (next: () => number) => number>> = {
  normal,
  small: (next) => normal(next) * 0.02,
  zeros: () => 0,
  signedZeros: (next) => (next() < 0.5 ? 0 : -0),
  mostlyZero: (next) => (next() < 0.8 ? 0 : normal(next)),
  constant: () => 0.75,
  denormal: (next) => (next() - 0.5) * 2 ** -130,
  nearSmallestScale: (next) => (next() - 0.5) * 4e-38,
  huge: (next) => (next() - 0.5) * 6.8e38,
  anyExponent: (next) => (next() - 0.5) * 2 ** Math.floor(next() * 250 - 125),
  wide: (next) => (next() < 0.1 ? 2 ** 110 : next() - 0.5) * (next() < 0.1 ? 2 ** -149 : 1),
  special: (next) => SPECIAL[Math.floor(next() * SPECIAL.length)] as number,
  infinite: (next) => (next() < 0.03 ? (next() < 0.5 ? Infinity : -Infinity) : normal(next)),
  nan: (next) => (next() < 0.03 ? NaN : normal(next)),
  allNan: () => NaN,
};

export function family(name: string, count: number, seed: number): Float32Array {
  const next = seeded(seed);
  const value = FAMILIES[name] as (next: () => number) => number;
  return Float32Array.from({ length: count }, () => value(next));
}
