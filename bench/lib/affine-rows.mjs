// Rows of the kernel benchmark for affine integers as a tensor is coded: the range, its scale and zero
// point, codes, two to a byte at 4 bits. Codes stay in cache from one step to the next.

const COLUMNS = 1024;
/** Values that go through all steps together. */
const TILE = 1 << 15;

/**
 * @param {{ valuesPtr: number, copyPtr: number, codesPtr: number, memcpy: () => void }} places
 *   values, room for as many, and bytes
 * @param {ReturnType<typeof import("./targets.mjs").targetsOf>} targets
 */
export function affineRows(kernels, { INT8, INT4 }, places, count, targets) {
  const { valuesPtr, copyPtr, codesPtr, memcpy } = places;
  const tile = Math.min(TILE, count);
  const scaleCount = count / 64;
  const [minPtr, maxPtr, scalePtr, zeroPointPtr] = [1, 2, 3, 4].map(() =>
    kernels.allocate(4 * scaleCount),
  );
  const widePtr = kernels.allocate(tile);
  const floats = (ptr, length) => new Float32Array(kernels.buffer, ptr, length);

  /** A scale for all, or for every 64 values. */
  const layout = (isBlocks, format) => {
    const runLength = isBlocks ? 64 : count;
    const runs = {
      rowLength: isBlocks ? COLUMNS : count,
      runLength,
      startColumn: 0,
      firstScale: 0,
      scaleCount: isBlocks ? tile / 64 : 1,
    };
    const scales = isBlocks ? scaleCount : 1;
    const offset = (at) => (isBlocks ? (4 * at) / 64 : 0);
    const bytesAt = (at) => codesPtr + (format.bits === 8 ? at : at / 2);
    const parameters = (at) =>
      kernels.affineParameters(
        format,
        false,
        minPtr + offset(at),
        maxPtr + offset(at),
        scalePtr + offset(at),
        zeroPointPtr + offset(at),
        runs.scaleCount,
      );
    const range = (at, length) =>
      kernels.range(valuesPtr + 4 * at, minPtr + offset(at), maxPtr + offset(at), length, runs);
    const clear = () => {
      floats(minPtr, scales).fill(0);
      floats(maxPtr, scales).fill(0);
    };
    const scale = (at) => [scalePtr + offset(at), zeroPointPtr + offset(at)];
    const encode = (at) => {
      const target = format.bits === 8 ? bytesAt(at) : widePtr;
      kernels.quantizeAffine(format, valuesPtr + 4 * at, ...scale(at), target, tile, runs);
      if (format.bits === 4) kernels.packNibbles(widePtr, bytesAt(at), tile);
    };
    const decode = (at) => {
      const source = format.bits === 8 ? bytesAt(at) : widePtr;
      if (format.bits === 4) kernels.unpackNibbles(bytesAt(at), widePtr, tile, format.signed);
      kernels.dequantizeAffine(format, source, ...scale(at), copyPtr + 4 * at, tile, runs);
    };
    const quantize = () => {
      clear();
      if (!isBlocks) {
        range(0, count);
        parameters(0);
      }
      for (let at = 0; at < count; at += tile) {
        if (isBlocks) {
          range(at, tile);
          parameters(at);
        }
        encode(at);
      }
    };
    const dequantize = () => {
      for (let at = 0; at < count; at += tile) decode(at);
    };
    return { quantize, dequantize };
  };

  return [INT8, INT4].flatMap((format) =>
    [false, true].flatMap((isBlocks) => {
      const { quantize, dequantize } = layout(isBlocks, format);
      const NAME = `Int${format.bits}`;
      const where = isBlocks ? "blocks of 64" : "per tensor";
      // Codes and scales that the other direction reads.
      quantize();
      return [
        {
          name: `INT${format.bits} quantize with range, ${where}`,
          contestants: { memcpy, ours: quantize },
          targets: targets(`quantize${NAME}`),
        },
        {
          name: `INT${format.bits} dequantize, ${where}`,
          contestants: { memcpy, ours: dequantize },
          targets: targets(`dequantize${NAME}`),
        },
      ];
    }),
  );
}
