/**
 * distances[r] = number of bits in which row r differs from the query.
 *
 * @param queryPtr      in   u8[byteCount]
 * @param codesPtr      in   u8[rowCount · byteCount]
 * @param distancesPtr  out  i32[rowCount]
 * @param byteCount     of a row: any
 */
export function hammingDistances(
  queryPtr: usize,
  codesPtr: usize,
  distancesPtr: usize,
  rowCount: usize,
  byteCount: usize,
): void {
  const groupedBytes = byteCount & ~15;
  for (; rowCount > 0; rowCount--, distancesPtr += 4) {
    let counts = i32x4.splat(0);
    let at: usize = 0;
    for (; at < groupedBytes; at += 16) {
      const different = v128.xor(v128.load(queryPtr + at), v128.load(codesPtr + at));
      const pairs = i16x8.extadd_pairwise_i8x16_u(i8x16.popcnt(different));
      counts = i32x4.add(counts, i32x4.extadd_pairwise_i16x8_u(pairs));
    }
    const halves = i32x4.add(counts, i32x4.shuffle(counts, counts, 2, 3, 0, 1));
    let distance = i32x4.extract_lane(halves, 0) + i32x4.extract_lane(halves, 1);
    for (; at + 8 <= byteCount; at += 8) {
      distance += <i32>popcnt<u64>(load<u64>(queryPtr + at) ^ load<u64>(codesPtr + at));
    }
    for (; at < byteCount; at++) {
      distance += popcnt<u32>(<u32>load<u8>(queryPtr + at) ^ load<u8>(codesPtr + at));
    }
    store<i32>(distancesPtr, distance);
    codesPtr += byteCount;
  }
}
