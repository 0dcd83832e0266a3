/**
 * values[i] = fl(level[code[i]] · absmax[i / blockSize])
 *
 * @param codesPtr      in   u8[elementCount]
 * @param absmaxPtr     in   f32[ceil(elementCount / blockSize)]
 * @param levelsPtr     in   f32[256]
 * @param valuesPtr     out  f32[elementCount]
 * @param elementCount  any
 * @param blockSize     any
 * @returns the largest |absmax| as bits: from 0x7f800000 on, some value may be a NaN of any bits
 */
export function dequantizeCode8ToF32(
  codesPtr: usize,
  absmaxPtr: usize,
  levelsPtr: usize,
  valuesPtr: usize,
  elementCount: usize,
  blockSize: usize,
): u32 {
  assert(blockSize > 0);
  let largest: u32 = 0;
  while (elementCount > 0) {
    const count = min(elementCount, blockSize);
    const end = codesPtr + count;
    const scale = v128.load32_splat(absmaxPtr);
    largest = max(largest, load<u32>(absmaxPtr) & 0x7fffffff);
    for (const last = codesPtr + (count & ~7); codesPtr < last; codesPtr += 8) {
      const v0 = levels4(levelsPtr, codesPtr, 0);
      const v1 = levels4(levelsPtr, codesPtr, 4);
      v128.store(valuesPtr, f32x4.mul(v0, scale));
      v128.store(valuesPtr, f32x4.mul(v1, scale), 16);
      valuesPtr += 32;
    }
    for (; codesPtr < end; codesPtr++, valuesPtr += 4) {
      const level = load<f32>(levelsPtr + ((<usize>load<u8>(codesPtr)) << 2));
      store<f32>(valuesPtr, level * load<f32>(absmaxPtr));
    }
    absmaxPtr += 4;
    elementCount -= count;
  }
  return largest;
}

// @ts-ignore: decorator
@inline
export function levels4(levelsPtr: usize, codesPtr: usize, at: usize): v128 {
  let levels = v128.load32_zero(levelOf(levelsPtr, codesPtr + at));
  levels = v128.load32_lane(levelOf(levelsPtr, codesPtr + at + 1), levels, 1);
  levels = v128.load32_lane(levelOf(levelsPtr, codesPtr + at + 2), levels, 2);
  return v128.load32_lane(levelOf(levelsPtr, codesPtr + at + 3), levels, 3);
}

// @ts-ignore: decorator
@inline
export function levelOf(levelsPtr: usize, codePtr: usize): usize {
  return levelsPtr + ((<usize>load<u8>(codePtr)) << 2);
}
