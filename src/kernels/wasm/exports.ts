/**
 * What assembly/index.ts exports. Arguments are byte addresses and element counts, inputs before
 * outputs before sizes; assembly/README.md describes each. A test compares the names with the
 * binary.
 */

export type BlockKernel = (
  sourcePtr: number,
  absmaxPtr: number,
  tablePtr: number,
  targetPtr: number,
  elementCount: number,
  blockSize: number,
) => void;

/** As `BlockKernel`; returns the bits (maybe as a negative i32) of the largest |absmax|. */
type DequantizeKernel = (...call: Parameters<BlockKernel>) => number;

type AbsmaxKernel = (
  valuesPtr: number,
  absmaxPtr: number,
  elementCount: number,
  blockSize: number,
) => number;

type ConvertKernel = (sourcePtr: number, targetPtr: number, elementCount: number) => void;

/** Elements of a call up to the ends of its first row and run, lengths, first scale and count. */
export type RunArguments = readonly [
  rowRest: number,
  runRest: number,
  rowLength: number,
  runLength: number,
  scale: number,
  scaleCount: number,
];

/** Runs of 1: the first value's scale, and how many there are. */
export type ColumnArguments = readonly [scale: number, scaleCount: number];

type Range<Where extends readonly number[]> = (
  valuesPtr: number,
  minPtr: number,
  maxPtr: number,
  elementCount: number,
  ...where: Where
) => number;

type QuantizeAffine<Where extends readonly number[]> = (
  valuesPtr: number,
  scalePtr: number,
  zeroPointPtr: number,
  codesPtr: number,
  elementCount: number,
  ...rest: [...where: Where, lowest: number, highest: number]
) => void;

/** Returns the bits (maybe as a negative i32) of the largest |scale|. */
type DequantizeAffine<Where extends readonly number[]> = (
  codesPtr: number,
  scalePtr: number,
  zeroPointPtr: number,
  valuesPtr: number,
  elementCount: number,
  ...rest: [...where: Where, signBit: number]
) => number;

type QuantizeFloat<Where extends readonly number[]> = (
  valuesPtr: number,
  scalePtr: number,
  codesPtr: number,
  elementCount: number,
  ...rest: [
    ...where: Where,
    largest: number,
    smallest: number,
    fractionBits: number,
    signBit: number,
    nanCode: number,
  ]
) => void;

type DequantizeFloat<Where extends readonly number[]> = (
  codesPtr: number,
  scalePtr: number,
  levelsPtr: number,
  valuesPtr: number,
  elementCount: number,
  ...where: Where
) => void;

export interface KernelExports {
  abiVersion(): number;
  heapBase(): number;
  /** 1 where the build uses relaxed SIMD, else 0. */
  isRelaxed(): number;

  readonly absmaxF32: AbsmaxKernel;
  readonly absmaxF16: AbsmaxKernel;
  readonly absmaxBf16: AbsmaxKernel;
  sumF32(valuesPtr: number, elementCount: number, start: number): number;
  subtractF32(valuesPtr: number, elementCount: number, offset: number): void;

  readonly quantizeF32ToCode4Sloped: BlockKernel;
  readonly quantizeBf16ToCode4Sloped: BlockKernel;
  readonly quantizeF32ToCode4Mirrored: BlockKernel;
  readonly quantizeBf16ToCode4Mirrored: BlockKernel;
  readonly quantizeF32ToCode4Exact: BlockKernel;
  readonly quantizeBf16ToCode4Exact: BlockKernel;
  readonly quantizeF32ToCode8: BlockKernel;
  readonly quantizeF32ToCode8Searched: BlockKernel;

  readonly dequantizeCode4ToF32: DequantizeKernel;
  readonly dequantizeCode4ToF16: DequantizeKernel;
  readonly dequantizeCode4ToBf16: DequantizeKernel;
  readonly dequantizeCode8ToF32: DequantizeKernel;

  quantizeF16ToInt8(
    valuesPtr: number,
    codesPtr: number,
    elementCount: number,
    codesPerUnit: number,
  ): void;
  dequantizeInt8ToF32(
    codesPtr: number,
    valuesPtr: number,
    elementCount: number,
    scale: number,
  ): void;

  readonly widenF16ToF32: ConvertKernel;
  readonly widenBf16ToF32: ConvertKernel;
  readonly narrowF32ToF16: ConvertKernel;
  readonly narrowF32ToBf16: ConvertKernel;

  readonly rangeRuns: Range<RunArguments>;
  readonly rangeColumns: Range<ColumnArguments>;
  affineParameters(
    minPtr: number,
    maxPtr: number,
    scalePtr: number,
    zeroPointPtr: number,
    scaleCount: number,
    lowest: number,
    highest: number,
  ): void;
  symmetricScales(
    minPtr: number,
    maxPtr: number,
    scalePtr: number,
    scaleCount: number,
    highest: number,
  ): void;
  readonly quantizeAffineRuns: QuantizeAffine<RunArguments>;
  readonly quantizeAffineColumns: QuantizeAffine<ColumnArguments>;
  readonly dequantizeAffineRuns: DequantizeAffine<RunArguments>;
  readonly dequantizeAffineColumns: DequantizeAffine<ColumnArguments>;

  readonly quantizeFloatRuns: QuantizeFloat<RunArguments>;
  readonly quantizeFloatColumns: QuantizeFloat<ColumnArguments>;
  readonly dequantizeFloatRuns: DequantizeFloat<RunArguments>;
  /** Returns the bits (maybe as a negative i32) of the largest |scale|. */
  readonly dequantizeFloat4Runs: (...call: Parameters<DequantizeFloat<RunArguments>>) => number;
  readonly dequantizeFloatColumns: DequantizeFloat<ColumnArguments>;

  packNibbles(codesPtr: number, packedPtr: number, elementCount: number): void;
  unpackNibbles(packedPtr: number, codesPtr: number, elementCount: number, signBit: number): void;

  columnExtremesF32(
    valuesPtr: number,
    minPtr: number,
    maxPtr: number,
    rowCount: number,
    columnCount: number,
  ): number;
  quantizeF32ToColumns8(
    valuesPtr: number,
    startPtr: number,
    stepPtr: number,
    codesPtr: number,
    rowCount: number,
    columnCount: number,
    flip: number,
  ): number;
  dequantizeColumns8ToF32(
    codesPtr: number,
    startPtr: number,
    stepPtr: number,
    valuesPtr: number,
    rowCount: number,
    columnCount: number,
    flip: number,
  ): void;
  packSignsF32(
    valuesPtr: number,
    codesPtr: number,
    rowCount: number,
    columnCount: number,
    flip: number,
  ): number;
  hammingDistances(
    queryPtr: number,
    codesPtr: number,
    distancesPtr: number,
    rowCount: number,
    byteCount: number,
  ): void;
  dotF32Code8(
    weightsPtr: number,
    codesPtr: number,
    dotsPtr: number,
    rowCount: number,
    columnCount: number,
    flip: number,
  ): void;
}

/** The ABI that this file describes; a binary with another one is refused. */
export const ABI_VERSION = 3;

/** Every export by name: the type above, at run time. */
export const EXPORT_NAMES = Object.keys({
  abiVersion: 0,
  heapBase: 0,
  isRelaxed: 0,
  absmaxF32: 0,
  absmaxF16: 0,
  absmaxBf16: 0,
  sumF32: 0,
  subtractF32: 0,
  quantizeF32ToCode4Sloped: 0,
  quantizeBf16ToCode4Sloped: 0,
  quantizeF32ToCode4Mirrored: 0,
  quantizeBf16ToCode4Mirrored: 0,
  quantizeF32ToCode4Exact: 0,
  quantizeBf16ToCode4Exact: 0,
  quantizeF32ToCode8: 0,
  quantizeF32ToCode8Searched: 0,
  dequantizeCode4ToF32: 0,
  dequantizeCode4ToF16: 0,
  dequantizeCode4ToBf16: 0,
  dequantizeCode8ToF32: 0,
  quantizeF16ToInt8: 0,
  dequantizeInt8ToF32: 0,
  widenF16ToF32: 0,
  widenBf16ToF32: 0,
  narrowF32ToF16: 0,
  narrowF32ToBf16: 0,
  rangeRuns: 0,
  rangeColumns: 0,
  affineParameters: 0,
  symmetricScales: 0,
  quantizeAffineRuns: 0,
  quantizeAffineColumns: 0,
  dequantizeAffineRuns: 0,
  dequantizeAffineColumns: 0,
  quantizeFloatRuns: 0,
  quantizeFloatColumns: 0,
  dequantizeFloatRuns: 0,
  dequantizeFloat4Runs: 0,
  dequantizeFloatColumns: 0,
  packNibbles: 0,
  unpackNibbles: 0,
  columnExtremesF32: 0,
  quantizeF32ToColumns8: 0,
  dequantizeColumns8ToF32: 0,
  packSignsF32: 0,
  hammingDistances: 0,
  dotF32Code8: 0,
} satisfies Record<keyof KernelExports, 0>) as readonly (keyof KernelExports)[];
