/** What assembly/linear/index.ts exports. A test compares the names with the binary. */

type Dot4 = (
  codesPtr: number,
  scalePtr: number,
  zeroPointPtr: number,
  xPtr: number,
  yPtr: number,
  rowCount: number,
  columnCount: number,
  groupLength: number,
) => void;

type Decode4 = (
  codesPtr: number,
  codeStride: number,
  scalePtr: number,
  scaleStride: number,
  zeroPointPtr: number,
  valuesPtr: number,
  valueStride: number,
  rowCount: number,
  columnCount: number,
  groupLength: number,
) => void;

type DotInt8 = (
  codesPtr: number,
  scalePtr: number,
  zeroPointPtr: number,
  xPtr: number,
  groupSumsPtr: number,
  yPtr: number,
  rowCount: number,
  columnCount: number,
  groupLength: number,
  factor: number,
) => void;

type ConvertKernel = (sourcePtr: number, targetPtr: number, elementCount: number) => void;

export interface LinearExports {
  abiVersion(): number;
  /** 1 where the build uses relaxed SIMD, else 0. */
  isRelaxed(): number;
  heapBase(): number;
  dotCode4: Dot4;
  dotCode8: (...call: [...Parameters<Dot4>, factor: number]) => void;
  decodeCode4: Decode4;
  decodeCode8: (...call: [...Parameters<Decode4>, factor: number]) => void;
  addProducts(
    weightsPtr: number,
    weightStride: number,
    xPtr: number,
    xStride: number,
    sumsPtr: number,
    rowCount: number,
    batchCount: number,
    columnCount: number,
  ): void;
  finishSums(
    sumsPtr: number,
    yPtr: number,
    yStride: number,
    rowCount: number,
    batchCount: number,
  ): void;
  addAndClean(targetPtr: number, addendPtr: number, count: number): void;
  quantizeActivations(
    xPtr: number,
    codesPtr: number,
    groupSumsPtr: number,
    columnCount: number,
    groupLength: number,
    nibbles: number,
  ): number;
  dotInt8Code4: DotInt8;
  dotInt8Code8: DotInt8;
  widenF16ToF32: ConvertKernel;
  widenBf16ToF32: ConvertKernel;
  narrowF32ToF16: ConvertKernel;
  narrowF32ToBf16: ConvertKernel;
}

/** The ABI that this file describes; a binary with another one is refused. */
export const LINEAR_ABI_VERSION = 1;

/** Every export by name: the type above, at run time. */
export const LINEAR_EXPORT_NAMES = Object.keys({
  abiVersion: 0,
  isRelaxed: 0,
  heapBase: 0,
  dotCode4: 0,
  dotCode8: 0,
  decodeCode4: 0,
  decodeCode8: 0,
  addProducts: 0,
  finishSums: 0,
  addAndClean: 0,
  quantizeActivations: 0,
  dotInt8Code4: 0,
  dotInt8Code8: 0,
  widenF16ToF32: 0,
  widenBf16ToF32: 0,
  narrowF32ToF16: 0,
  narrowF32ToBf16: 0,
} satisfies Record<keyof LinearExports, 0>) as readonly (keyof LinearExports)[];
