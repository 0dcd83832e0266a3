/** Embeddings, value by value: what sentence-transformers computes with numpy. */

const fl = Math.fround;

/** @returns whether every value is finite */
export function columnExtremes(
  buffer: ArrayBuffer,
  valuesPtr: number,
  minPtr: number,
  maxPtr: number,
  rowCount: number,
  columnCount: number,
): boolean {
  const values = new Float32Array(buffer, valuesPtr, rowCount * columnCount);
  const min = new Float32Array(buffer, minPtr, columnCount);
  const max = new Float32Array(buffer, maxPtr, columnCount);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const column = i % columnCount;
    if (value < (min[column] as number)) min[column] = value;
    if (value > (max[column] as number)) max[column] = value;
  }
  return values.every(Number.isFinite);
}

/** @returns whether every value is finite */
export function quantizeColumns(
  buffer: ArrayBuffer,
  signed: boolean,
  valuesPtr: number,
  startPtr: number,
  stepPtr: number,
  codesPtr: number,
  rowCount: number,
  columnCount: number,
): boolean {
  const values = new Float32Array(buffer, valuesPtr, rowCount * columnCount);
  const starts = new Float32Array(buffer, startPtr, columnCount);
  const steps = new Float32Array(buffer, stepPtr, columnCount);
  const codes = new Uint8Array(buffer, codesPtr, values.length);
  for (let i = 0; i < values.length; i++) {
    const column = i % columnCount;
    const distance = fl((values[i] as number) - (starts[column] as number));
    const code = Math.floor(fl(distance / (steps[column] as number)));
    const clipped = Math.min(Math.max(code, 0), 255);
    codes[i] = Number.isNaN(clipped) ? offset(signed) : clipped ^ offset(signed);
  }
  return values.every(Number.isFinite);
}

export function dequantizeColumns(
  buffer: ArrayBuffer,
  signed: boolean,
  codesPtr: number,
  startPtr: number,
  stepPtr: number,
  valuesPtr: number,
  rowCount: number,
  columnCount: number,
): void {
  const values = new Float32Array(buffer, valuesPtr, rowCount * columnCount);
  const starts = new Float32Array(buffer, startPtr, columnCount);
  const steps = new Float32Array(buffer, stepPtr, columnCount);
  const codes = new Uint8Array(buffer, codesPtr, values.length);
  for (let i = 0; i < values.length; i++) {
    const column = i % columnCount;
    const code = (codes[i] as number) ^ offset(signed);
    values[i] = (starts[column] as number) + code * (steps[column] as number);
  }
}

/** @returns whether every value is finite */
export function packSigns(
  buffer: ArrayBuffer,
  signed: boolean,
  valuesPtr: number,
  codesPtr: number,
  rowCount: number,
  columnCount: number,
): boolean {
  const values = new Float32Array(buffer, valuesPtr, rowCount * columnCount);
  const rowBytes = Math.ceil(columnCount / 8);
  const codes = new Uint8Array(buffer, codesPtr, rowCount * rowBytes).fill(offset(signed));
  for (let row = 0; row < rowCount; row++) {
    for (let column = 0; column < columnCount; column++) {
      const isPositive = (values[row * columnCount + column] as number) > 0;
      const at = row * rowBytes + (column >> 3);
      if (isPositive) codes[at] = (codes[at] as number) ^ (0x80 >> (column & 7));
    }
  }
  return values.every(Number.isFinite);
}

export function hammingDistances(
  buffer: ArrayBuffer,
  queryPtr: number,
  codesPtr: number,
  distancesPtr: number,
  rowCount: number,
  byteCount: number,
): void {
  const query = new Uint8Array(buffer, queryPtr, byteCount);
  const codes = new Uint8Array(buffer, codesPtr, rowCount * byteCount);
  const distances = new Int32Array(buffer, distancesPtr, rowCount).fill(0);
  for (let i = 0; i < codes.length; i++) {
    const row = Math.floor(i / byteCount);
    let different = (codes[i] as number) ^ (query[i % byteCount] as number);
    for (; different !== 0; different >>= 1) {
      distances[row] = (distances[row] as number) + (different & 1);
    }
  }
}

export function dotCodes(
  buffer: ArrayBuffer,
  signed: boolean,
  weightsPtr: number,
  codesPtr: number,
  dotsPtr: number,
  rowCount: number,
  columnCount: number,
): void {
  const weights = new Float32Array(buffer, weightsPtr, columnCount);
  const codes = new Uint8Array(buffer, codesPtr, rowCount * columnCount);
  const dots = new Float32Array(buffer, dotsPtr, rowCount);
  const grouped = columnCount - (columnCount % 16);
  const sums = new Float32Array(17);
  const sum = (index: number) => sums[index] as number;
  for (let row = 0; row < rowCount; row++) {
    sums.fill(0);
    for (let column = 0; column < columnCount; column++) {
      const code = (((codes[row * columnCount + column] as number) ^ offset(!signed)) << 24) >> 24;
      const product = fl((weights[column] as number) * code);
      const target = column < grouped ? column % 16 : 16;
      sums[target] = sum(target) + product;
    }
    const [a, b, c, d] = [0, 1, 2, 3].map((i) =>
      fl(fl(sum(i) + sum(i + 4)) + fl(sum(i + 8) + sum(i + 12))),
    ) as [number, number, number, number];
    dots[row] = fl(fl(a + b) + fl(c + d)) + sum(16);
  }
}

/** Subtracting 128 from a byte, or adding it, turns its highest bit around. */
function offset(signed: boolean): number {
  return signed ? 0x80 : 0;
}
