// Rows of the kernel benchmark for affine integers as a tensor is coded: the range, its scale and zero
// point, codes, two to a byte at 4 bits. Codes stay in cache from one step to the next.

const COLUMNS = 1024;
/** Values that go through all steps together. */
const TILE = 1 << 17;

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
    const packs = format.bits === 4;
    const runsOf = (length) => ({
      rowLength: isBlocks ? COLUMNS : count,
      runLength: isBlocks ? 64 : count,
      startColumn: 0,
      firstScale: 0,
      scaleCount: isBlocks ? length / 64 : 1,
    });
    const offset = (at) => (isBlocks ? (4 * at) / 64 : 0);
    const storedAt = (at) => codesPtr + (packs ? at / 2 : at);
    const range = (at, length) => {
      const { scaleCount, ...runs } = runsOf(length);
      const ranges = [minPtr + offset(at), maxPtr + offset(at)];
      const scales = [scalePtr + offset(at), zeroPointPtr + offset(at)];
      for (const ptr of ranges) floats(ptr, scaleCount).fill(0);
      kernels.range(valuesPtr + 4 * at, ...ranges, length, { ...runs, scaleCount });
      kernels.affineParameters(format, false, ...ranges, ...scales, scaleCount);
    };
    const scale = (at) => [scalePtr + offset(at), zeroPointPtr + offset(at)];
    const encode = (at, length) => {
      const [source, target] = [valuesPtr + 4 * at, packs ? widePtr : storedAt(at)];
      kernels.quantizeAffine(format, source, ...scale(at), target, length, runsOf(length));
      if (packs) kernels.packNibbles(widePtr, storedAt(at), length);
    };
    const decode = (at, length) => {
      const [source, target] = [packs ? widePtr : storedAt(at), copyPtr + 4 * at];
      if (packs) kernels.unpackNibbles(storedAt(at), widePtr, length, format.signed);
      kernels.dequantizeAffine(format, source, ...scale(at), target, length, runsOf(length));
    };
    const inTiles = (visit, length = tile) => {
      for (let at = 0; at < count; at += length) visit(at, length);
    };
    return {
      quantize() {
        if (!isBlocks) {
          range(0, count);
          inTiles(encode, packs ? tile : count);
          return;
        }
        inTiles((at, length) => {
          range(at, length);
          encode(at, length);
        });
      },
      dequantize: () => inTiles(decode, packs ? tile : count),
    };
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
