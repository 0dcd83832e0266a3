/** The kernels for embeddings: rows of floats, each column (dimension) with a range of its own. */

/** A part of `KernelSet`. Rows are contiguous; `columnCount` counts dimensions. */
export interface EmbeddingKernels {
  /**
   * Lowers min[c] and raises max[c] to the values of column c; callers start them at ±∞. Where both
   * zeros are the least or the largest, the first of them counts.
   *
   * @param valuesPtr f32[rowCount · columnCount]
   * @returns whether every value is finite; if not, min and max mean nothing
   */
  columnExtremes(
    valuesPtr: number,
    minPtr: number,
    maxPtr: number,
    rowCount: number,
    columnCount: number,
  ): boolean;

  /**
   * code = floor(fl(fl(x − start[c]) / step[c])), clipped to 0 … 255; less 128 when `signed`. One
   * byte each.
   *
   * @param valuesPtr f32[rowCount · columnCount]
   * @returns whether every value is finite; the code of NaN is that of `start`
   */
  quantizeColumns(
    signed: boolean,
    valuesPtr: number,
    startPtr: number,
    stepPtr: number,
    codesPtr: number,
    rowCount: number,
    columnCount: number,
  ): boolean;

  /** value = start[c] + code · step[c], the code as it was before 128 was subtracted: f64, then f32. */
  dequantizeColumns(
    signed: boolean,
    codesPtr: number,
    startPtr: number,
    stepPtr: number,
    valuesPtr: number,
    rowCount: number,
    columnCount: number,
  ): void;

  /**
   * One bit a value, x > 0, the first in the highest bit of a byte; less 128 when `signed`. A row
   * takes ceil(columnCount / 8) bytes; the bits that it lacks are 0.
   *
   * @param valuesPtr f32[rowCount · columnCount]
   * @returns whether every value is finite; the bit of NaN is 0
   */
  packSigns(
    signed: boolean,
    valuesPtr: number,
    codesPtr: number,
    rowCount: number,
    columnCount: number,
  ): boolean;

  /** distances[r] = number of bits in which row r differs from the query, i32. */
  hammingDistances(
    queryPtr: number,
    codesPtr: number,
    distancesPtr: number,
    rowCount: number,
    byteCount: number,
  ): void;

  /**
   * dots[r] = Σ weight[c] · code[c], f32, the codes read as i8 (of unsigned ones less 128).
   *
   * The order is fixed: column c of the first ⌊columnCount / 16⌋ · 16 is added to sum c mod 16;
   * then sum i + sum i+4, i+8 + i+12 are added, their two results, and those four in the order
   * (0 + 1) + (2 + 3); the other columns are added one by one to a sum of their own, that last.
   */
  dotCodes(
    signed: boolean,
    weightsPtr: number,
    codesPtr: number,
    dotsPtr: number,
    rowCount: number,
    columnCount: number,
  ): void;
}
