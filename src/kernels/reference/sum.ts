/** Sums in order, and differences from their mean. */

export function sumInOrder(
  buffer: ArrayBuffer,
  valuesPtr: number,
  elementCount: number,
  start: number,
): number {
  let sum = start;
  for (const value of new Float32Array(buffer, valuesPtr, elementCount)) sum += value;
  return sum;
}

export function subtract(
  buffer: ArrayBuffer,
  valuesPtr: number,
  elementCount: number,
  offset: number,
): void {
  const values = new Float32Array(buffer, valuesPtr, elementCount);
  for (let i = 0; i < elementCount; i++) values[i] = (values[i] as number) - offset;
}
