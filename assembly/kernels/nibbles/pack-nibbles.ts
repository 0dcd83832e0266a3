/** In the module's own memory, where the optimizer cannot see it. */
function nibblePairs(): usize {
  return memory.data<u32>([0x0f0f0f0f, 0x00ff00ff]);
}

/**
 * packed[i] = codes[2 i] & 15 | codes[2 i + 1] << 4; an odd count leaves the last high nibble 0.
 *
 * @param codesPtr      in   u8[elementCount], of which the low 4 bits count
 * @param packedPtr     out  u8[ceil(elementCount / 2)]
 * @param elementCount  any
 */
export function packNibbles(codesPtr: usize, packedPtr: usize, elementCount: usize): void {
  const nibbles = v128.load32_splat(nibblePairs());
  const lowBytes = v128.load32_splat(nibblePairs(), 4);
  const end = codesPtr + elementCount;
  for (const last = codesPtr + (elementCount & ~31); codesPtr < last; codesPtr += 32) {
    const a = v128.and(v128.load(codesPtr), nibbles);
    const b = v128.and(v128.load(codesPtr, 16), nibbles);
    // Of lanes 0000hhhh0000llll the low byte becomes hhhhllll.
    const packedA = v128.and(v128.or(a, i16x8.shr_u(a, 4)), lowBytes);
    const packedB = v128.and(v128.or(b, i16x8.shr_u(b, 4)), lowBytes);
    v128.store(packedPtr, i8x16.narrow_i16x8_u(packedA, packedB));
    packedPtr += 16;
  }
  for (; codesPtr + 2 <= end; codesPtr += 2, packedPtr++) {
    store<u8>(packedPtr, (load<u8>(codesPtr) & 15) | (load<u8>(codesPtr, 1) << 4));
  }
  if (codesPtr < end) store<u8>(packedPtr, load<u8>(codesPtr) & 15);
}
