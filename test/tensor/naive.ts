/**
 * Affine integers and block floats once more, element by element, from the texts of the formats and
 * not from the code under test: plain loops, no tiles, no kernels.
 */

import type { FloatDtype, QuantizeOptions } from "../../src/index.ts";
import { createDynamicMap } from "../../src/schemes/index.ts";

const fl = Math.fround;

/** Below it f32 loses bits; no scale is smaller. */
const SMALLEST_NORMAL = 2 ** -126;

const AFFINE: Readonly<Record<string, readonly [lowest: number, highest: number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int4: [-8, 7],
  uint4: [0, 15],
};

/** Exponent bits, fraction bits; how the scale is made; the block that the format prescribes. */
const FLOATS: Readonly<Record<string, readonly [number, number, "power" | "two" | "f32", number]>> =
  {
    mxfp4: [2, 1, "power", 32],
    mxfp8: [4, 3, "power", 32],
    "mxfp8-e5m2": [5, 2, "power", 32],
    nvfp4: [2, 1, "two", 16],
    "fp8-e4m3": [4, 3, "f32", 0],
    "fp8-e5m2": [5, 2, "f32", 0],
  };

export interface NaiveOptions
  extends Pick<
    QuantizeOptions,
    "granularity" | "axis" | "blockSize" | "symmetric" | "doubleQuant"
  > {
  readonly quantType: string;
  readonly shape: readonly number[];
  /** What scales are rounded to before codes are computed with them. */
  readonly scaleDtype?: FloatDtype;
}

export interface NaiveRecord {
  /** One a byte, two's complement. */
  readonly codes: Uint8Array;
  /** As the record stores it. */
  readonly scale: Float32Array | Uint8Array;
  readonly zeroPoint?: number[];
  readonly ranges?: Float32Array;
  readonly tensorScale?: number;
  /** The scale that each element was divided by. */
  readonly scaleOf: (element: number) => number;
  readonly restored: Float32Array;
}

/** Which scale each element has, and how many scales there are. */
export function scaleIndexes(
  count: number,
  { shape, granularity = "block", axis = 0, blockSize = 64 }: Omit<NaiveOptions, "quantType">,
): { readonly of: (element: number) => number; readonly count: number } {
  if (granularity === "tensor") return { of: () => 0, count: 1 };
  if (granularity === "channel") {
    const at = axis < 0 ? axis + shape.length : axis;
    const inner = shape.slice(at + 1).reduce((product, extent) => product * extent, 1);
    const channels = shape[at] as number;
    return { of: (element) => Math.floor(element / inner) % channels, count: channels };
  }
  const columns = shape.length === 0 ? 1 : (shape[shape.length - 1] as number);
  const perRow = Math.ceil(columns / blockSize);
  return {
    of: (element) =>
      Math.floor(element / columns) * perRow + Math.floor((element % columns) / blockSize),
    count: columns === 0 ? 0 : (count / columns) * perRow,
  };
}

export function naive(values: Float32Array, options: NaiveOptions): NaiveRecord {
  return options.quantType in AFFINE ? naiveAffine(values, options) : naiveFloat(values, options);
}

/** Smallest and largest finite value of each scale; both are 0 at least. */
function rangesOf(values: Float32Array, index: (element: number) => number, count: number) {
  const min = new Float64Array(count);
  const max = new Float64Array(count);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const s = index(i);
    if (!Number.isFinite(value)) continue;
    if (value < (min[s] as number)) min[s] = value;
    if (value > (max[s] as number)) max[s] = value;
  }
  return { min, max };
}

function naiveAffine(values: Float32Array, options: NaiveOptions): NaiveRecord {
  const { quantType, symmetric = false, scaleDtype = "float32", granularity = "block" } = options;
  const [lowest, highest] = AFFINE[quantType] as readonly [number, number];
  const is4Bit = highest - lowest === 15;
  const doubleQuant = options.doubleQuant ?? (is4Bit && granularity === "block");
  const index = scaleIndexes(values.length, options);
  const { min, max } = rangesOf(values, index.of, index.count);
  let scales = new Float32Array(index.count);
  const zeroPoints: number[] = [];
  for (let s = 0; s < index.count; s++) {
    const [low, high] = [min[s] as number, max[s] as number];
    const scale = affineScale(low, high, lowest, highest, symmetric);
    scales[s] = roundedScale(scale, scaleDtype);
    const exact = fl(lowest - fl(low / (scales[s] as number)));
    zeroPoints.push(symmetric ? 0 : clamp(nearestEven(exact), lowest, highest));
  }
  let stored: Float32Array | Uint8Array = scales;
  let ranges: Float32Array | undefined;
  if (doubleQuant) {
    const nested = naiveNested(scales, (s) => min[s] === 0 && max[s] === 0);
    stored = nested.codes;
    ranges = nested.ranges;
    scales = nested.scales;
  }
  const codes = new Uint8Array(values.length);
  const restored = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const s = index.of(i);
    const scale = scales[s] as number;
    const zeroPoint = zeroPoints[s] as number;
    const quotient = fl((values[i] as number) / scale);
    const code = Number.isNaN(quotient)
      ? 0
      : clamp(nearestEven(quotient) + zeroPoint, lowest, highest);
    codes[i] = code;
    restored[i] = (code - zeroPoint) * scale;
  }
  return {
    codes,
    scale: stored,
    ...(symmetric ? {} : { zeroPoint: zeroPoints }),
    ...(ranges === undefined ? {} : { ranges }),
    scaleOf: (element) => scales[index.of(element)] as number,
    restored,
  };
}

function affineScale(
  low: number,
  high: number,
  lowest: number,
  highest: number,
  symmetric: boolean,
): number {
  if (low === 0 && high === 0) return 1;
  const steps = highest - lowest;
  let scale: number;
  if (symmetric) scale = fl(Math.max(-low, high) / highest);
  else if (Number.isFinite(fl(high - low))) scale = fl(fl(high - low) / steps);
  else scale = fl(fl(high / steps) - fl(low / steps));
  return scale < SMALLEST_NORMAL ? SMALLEST_NORMAL : scale;
}

/** Groups of 256: 254 equal steps from the smallest, or the dynamic map beyond 64 : 1. */
function naiveNested(scales: Float32Array, isZero: (s: number) => boolean) {
  const map = createDynamicMap({ signed: false });
  const groups = Math.ceil(scales.length / 256);
  const codes = new Uint8Array(scales.length);
  const ranges = new Float32Array(2 * groups);
  const result = new Float32Array(scales.length).fill(1);
  for (let g = 0; g < groups; g++) {
    const members: number[] = [];
    for (let s = 256 * g; s < Math.min(256 * (g + 1), scales.length); s++) {
      if (!isZero(s)) members.push(s);
    }
    if (members.length === 0) continue;
    const own = members.map((s) => scales[s] as number);
    const [small, large] = [Math.min(...own), Math.max(...own)];
    const isDynamic = large / small > 64;
    const base = isDynamic ? large : small;
    const step = isDynamic ? -1 : fl(fl(large - small) / 254);
    ranges.set([base, step], 2 * g);
    for (const s of members) {
      const scale = scales[s] as number;
      let code = 1;
      if (isDynamic) {
        const gap = (c: number) => Math.abs((map[c] as number) - scale / base);
        for (let c = 2; c < 256; c++) if (gap(c) < gap(code)) code = c;
      } else if (step > 0) {
        code = 1 + clamp(Math.round((scale - base) / step), 0, 254);
      }
      codes[s] = code;
      const back = isDynamic ? fl((map[code] as number) * base) : fl(base + fl((code - 1) * step));
      result[s] = Math.max(back, SMALLEST_NORMAL);
    }
  }
  return { codes, ranges, scales: result };
}

function naiveFloat(values: Float32Array, options: NaiveOptions): NaiveRecord {
  const [exponentBits, fractionBits, kind, fixedBlock] = FLOATS[options.quantType] as never as [
    number,
    number,
    "power" | "two" | "f32",
    number,
  ];
  const levels = magnitudes(exponentBits, fractionBits);
  const largest = levels[levels.length - 1] as number;
  const isFixed = kind !== "f32";
  const index = scaleIndexes(values.length, {
    ...options,
    granularity: options.granularity ?? (isFixed ? "block" : "tensor"),
    ...(isFixed ? { blockSize: fixedBlock } : {}),
  });
  const { min, max } = rangesOf(values, index.of, index.count);
  const amax = Float64Array.from(min, (low, s) => Math.max(-low, max[s] as number));
  const tensorMax = amax.reduce((a, b) => Math.max(a, b), 0);
  const tensorScale = tensorMax === 0 ? 1 : Math.max(fl(tensorMax / 2688), SMALLEST_NORMAL);
  const scales = new Float32Array(index.count);
  const bytes = new Uint8Array(index.count);
  const e4m3 = magnitudes(4, 3);
  for (let s = 0; s < index.count; s++) {
    const largestOf = amax[s] as number;
    if (kind === "f32") {
      scales[s] = largestOf === 0 ? 1 : Math.max(fl(largestOf / largest), SMALLEST_NORMAL);
    } else if (kind === "power") {
      let exponent = -1000;
      for (let e = -149; e <= 127; e++) if (2 ** e <= largestOf) exponent = e;
      const top = Math.floor(Math.log2(largest));
      bytes[s] = clamp(exponent - top + 127, 0, 254);
      scales[s] = 2 ** ((bytes[s] as number) - 127);
    } else {
      const wanted = fl(fl(largestOf / 6) / tensorScale);
      bytes[s] = largestOf === 0 ? 0 : Math.max(1, nearestMagnitude(e4m3, wanted));
      scales[s] = largestOf === 0 ? 1 : fl((e4m3[bytes[s] as number] as number) * tensorScale);
    }
  }
  const signBit = 1 << (exponentBits + fractionBits);
  const nan = exponentBits === 2 ? 0 : 0x7f;
  const codes = new Uint8Array(values.length);
  const restored = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const s = index.of(i);
    const quotient = fl((values[i] as number) / (scales[s] as number));
    const magnitude = Number.isNaN(quotient) ? nan : nearestMagnitude(levels, Math.abs(quotient));
    const isNegative = quotient < 0 || Object.is(quotient, -0);
    codes[i] = isNegative ? magnitude | signBit : magnitude;
    const level = (levels[magnitude] ?? NaN) * (isNegative ? -1 : 1);
    // A block of zeros is stored with scale 0 in NVFP4.
    restored[i] = level * (kind === "two" && bytes[s] === 0 ? 0 : (scales[s] as number));
  }
  return {
    codes,
    scale: kind === "f32" ? scales : bytes,
    ...(kind === "two" ? { tensorScale } : {}),
    scaleOf: (element) => scales[index.of(element)] as number,
    restored,
  };
}

/** Every finite magnitude by its code. E4M3 has NaN at the top, E5M2 infinity and NaN. */
export function magnitudes(exponentBits: number, fractionBits: number): number[] {
  const bias = 2 ** (exponentBits - 1) - 1;
  const levels: number[] = [];
  for (let exponent = 0; exponent < 2 ** exponentBits; exponent++) {
    for (let fraction = 0; fraction < 2 ** fractionBits; fraction++) {
      const part = fraction / 2 ** fractionBits;
      levels.push(exponent === 0 ? part * 2 ** (1 - bias) : (1 + part) * 2 ** (exponent - bias));
    }
  }
  return levels.slice(0, levels.length - ({ 2: 0, 4: 1, 5: 4 }[exponentBits] as number));
}

/** The nearest level, the even code on a tie, the largest beyond it. */
function nearestMagnitude(levels: readonly number[], magnitude: number): number {
  let best = 0;
  if (magnitude >= (levels.at(-1) as number)) return levels.length - 1;
  for (let code = 1; code < levels.length; code++) {
    const gap = Math.abs((levels[code] as number) - magnitude);
    const bestGap = Math.abs((levels[best] as number) - magnitude);
    if (gap < bestGap || (gap === bestGap && code % 2 === 0)) best = code;
  }
  return best;
}

function nearestEven(x: number): number {
  const rounded = Math.round(x);
  // Adding 0 makes −0 a plain 0.
  return (Math.abs(x % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded) + 0;
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, x));
}

/** To 8 or 11 significant bits; float16 has multiples of 2^-24 below 2^-14, and none below one. */
function roundedScale(scale: number, dtype: FloatDtype): number {
  if (dtype === "float32") return scale;
  const isHalf = dtype === "float16";
  const exponent = Math.max(Math.floor(Math.log2(scale)), isHalf ? -14 : -126);
  const unit = 2 ** (exponent - (isHalf ? 10 : 7));
  const rounded = nearestEven(scale / unit) * unit;
  return isHalf ? clamp(rounded, unit, 65504) : rounded;
}
