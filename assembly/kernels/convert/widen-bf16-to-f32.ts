/**
 * f32 from bfloat16, exactly: the same bits, shifted.
 *
 * @param sourcePtr  in   bf16[elementCount]
 * @param targetPtr  out  f32[elementCount]; may not overlap the source
 */
export function widenBf16ToF32(sourcePtr: usize, targetPtr: usize, elementCount: usize): void {
  const end = sourcePtr + (elementCount << 1);
  const zero = i32x4.splat(0);
  for (const last = sourcePtr + ((elementCount & ~31) << 1); sourcePtr < last; ) {
    const a = v128.load(sourcePtr);
    const b = v128.load(sourcePtr, 16);
    const c = v128.load(sourcePtr, 32);
    const d = v128.load(sourcePtr, 48);
    v128.store(targetPtr, i16x8.shuffle(zero, a, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(targetPtr, i16x8.shuffle(zero, a, 4, 12, 5, 13, 6, 14, 7, 15), 16);
    v128.store(targetPtr, i16x8.shuffle(zero, b, 0, 8, 1, 9, 2, 10, 3, 11), 32);
    v128.store(targetPtr, i16x8.shuffle(zero, b, 4, 12, 5, 13, 6, 14, 7, 15), 48);
    v128.store(targetPtr, i16x8.shuffle(zero, c, 0, 8, 1, 9, 2, 10, 3, 11), 64);
    v128.store(targetPtr, i16x8.shuffle(zero, c, 4, 12, 5, 13, 6, 14, 7, 15), 80);
    v128.store(targetPtr, i16x8.shuffle(zero, d, 0, 8, 1, 9, 2, 10, 3, 11), 96);
    v128.store(targetPtr, i16x8.shuffle(zero, d, 4, 12, 5, 13, 6, 14, 7, 15), 112);
    sourcePtr += 64;
    targetPtr += 128;
  }
  for (; sourcePtr < end; sourcePtr += 2, targetPtr += 4) {
    store<u32>(targetPtr, (<u32>load<u16>(sourcePtr)) << 16);
  }
}
