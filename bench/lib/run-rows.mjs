// Rows of the kernel benchmark for kernels whose scales lie in runs: affine integers, small floats.

/** Of a weight of `count` values with rows of 1,024. */
function geometries(count) {
  const columns = 1024;
  const of = (runLength, scaleCount) => ({
    rowLength: runLength,
    runLength,
    startColumn: 0,
    firstScale: 0,
    scaleCount,
  });
  return {
    "per tensor": of(count, 1),
    "blocks of 64": of(64, count / 64),
    "blocks of 32": of(32, count / 32),
    "a scale a column": of(1, columns),
  };
}

/**
 * @param {{ valuesPtr: number, copyPtr: number, codesPtr: number, memcpy: () => void }} places
 *   values, room for as many, and bytes
 */
export function runRows(kernels, { INT8, E4M3, E2M1 }, places, count) {
  const { valuesPtr, copyPtr, codesPtr, memcpy } = places;
  const scaleCount = count / 32;
  const scalePtr = kernels.allocate(4 * scaleCount);
  const zeroPointPtr = kernels.allocate(4 * scaleCount);
  const minPtr = kernels.allocate(4 * scaleCount);
  const maxPtr = kernels.allocate(4 * scaleCount);
  const packedPtr = kernels.allocate(count / 2);
  const floats = (ptr) => new Float32Array(kernels.buffer, ptr, scaleCount);
  floats(scalePtr).fill(0.02 / 32);
  floats(zeroPointPtr).fill(3);

  const rows = [];
  const add = (name, ours) => rows.push({ name, contestants: { memcpy, ours }, targets: {} });
  const weights = [valuesPtr, scalePtr];
  const codes = [codesPtr, scalePtr];
  for (const [where, runs] of Object.entries(geometries(count))) {
    add(`range, ${where}`, () => kernels.range(valuesPtr, minPtr, maxPtr, count, runs));
    add(`int8 quantize, ${where}`, () =>
      kernels.quantizeAffine(INT8, ...weights, zeroPointPtr, codesPtr, count, runs),
    );
    add(`int8 dequantize, ${where}`, () =>
      kernels.dequantizeAffine(INT8, ...codes, zeroPointPtr, copyPtr, count, runs),
    );
    for (const format of [E4M3, E2M1]) {
      add(`${format.name} quantize, ${where}`, () =>
        kernels.quantizeFloat(format, ...weights, codesPtr, count, runs),
      );
      add(`${format.name} dequantize, ${where}`, () =>
        kernels.dequantizeFloat(format, ...codes, copyPtr, count, runs),
      );
    }
  }
  add("nibbles pack", () => kernels.packNibbles(codesPtr, packedPtr, count));
  add("nibbles unpack", () => kernels.unpackNibbles(packedPtr, codesPtr, count, true));
  return rows;
}
