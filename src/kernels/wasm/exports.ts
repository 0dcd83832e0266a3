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

export interface KernelExports {
  abiVersion(): number;
  heapBase(): number;

  readonly absmaxF32: AbsmaxKernel;
  readonly absmaxF16: AbsmaxKernel;
  readonly absmaxBf16: AbsmaxKernel;

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
}

/** The ABI that this file describes; a binary with another one is refused. */
export const ABI_VERSION = 1;

/** Every export by name: the type above, at run time. */
export const EXPORT_NAMES = Object.keys({
  abiVersion: 0,
  heapBase: 0,
  absmaxF32: 0,
  absmaxF16: 0,
  absmaxBf16: 0,
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
} satisfies Record<keyof KernelExports, 0>) as readonly (keyof KernelExports)[];
