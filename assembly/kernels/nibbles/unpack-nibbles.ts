import { interleaveHigh, interleaveLow } from "../../lanes/interleave";

/** In the module's own memory, where the optimizer cannot see it. */
function lowNibbles(): usize {
  return memory.data<u32>([0x0f0f0f0f]);
}

/**
 * codes[2 i] = packed[i] & 15, codes[2 i + 1] = packed[i] >> 4
 *
 * @param packedPtr     in   u8[ceil(elementCount / 2)]
 * @param codesPtr      out  u8 or i8[elementCount]
 * @param elementCount  any
 * @param signBit       8 where codes are signed, else 0
 */
export function unpackNibbles(
  packedPtr: usize,
  codesPtr: usize,
  elementCount: usize,
  signBit: i32,
): void {
  const nibbles = v128.load32_splat(lowNibbles());
  // (code ^ 8) − 8 repeats the sign bit upwards.
  const sign = i8x16.splat(<i8>signBit);
  const end = codesPtr + elementCount;
  for (const last = codesPtr + (elementCount & ~31); codesPtr < last; codesPtr += 32) {
    const packed = v128.load(packedPtr);
    const low = i8x16.sub(v128.xor(v128.and(packed, nibbles), sign), sign);
    const high = i8x16.sub(v128.xor(v128.and(i16x8.shr_u(packed, 4), nibbles), sign), sign);
    v128.store(codesPtr, interleaveLow(low, high));
    v128.store(codesPtr, interleaveHigh(low, high), 16);
    packedPtr += 16;
  }
  for (; codesPtr < end; codesPtr += 2, packedPtr++) {
    const packed = <i32>load<u8>(packedPtr);
    store<u8>(codesPtr, ((packed & 15) ^ signBit) - signBit);
    if (codesPtr + 1 < end) store<u8>(codesPtr, ((packed >> 4) ^ signBit) - signBit, 1);
  }
}
