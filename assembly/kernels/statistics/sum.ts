/** The f64 sum of floats, in order, and what is left of them without their mean. */

/** Powers of two that lie between the largest partial sum and the unit of all summands. */
const EXACT_BITS: i32 = 53;

/**
 * start + values[0] + values[1] + …, rounded to f64 after each addition.
 *
 * Where every partial sum is exact, the order does not matter, and four lanes of two run side by
 * side. That is so when all summands are multiples of one power of two, and 2^53 of it are more than
 * the sum: values of one tensor's absmax nearly always are. Others are added one by one.
 *
 * @param valuesPtr  in   f32[elementCount], not negative
 */
export function sumF32(valuesPtr: usize, elementCount: usize, start: f64): f64 {
  const end = valuesPtr + (elementCount << 2);
  const last = valuesPtr + ((elementCount & ~7) << 2);
  let low0 = f64x2.splat(0);
  let high0 = low0;
  let low1 = low0;
  let high1 = low0;
  let largest = i32x4.splat(0);
  // Zero is a multiple of anything: bits − 1 puts it above all others.
  const one = i32x4.splat(1);
  let smallest = i32x4.splat(-1);
  let ptr = valuesPtr;
  for (; ptr < last; ptr += 32) {
    const a = v128.load(ptr);
    const b = v128.load(ptr, 16);
    low0 = f64x2.add(low0, f64x2.promote_low_f32x4(a));
    high0 = f64x2.add(high0, f64x2.promote_low_f32x4(i32x4.shuffle(a, a, 2, 3, 2, 3)));
    low1 = f64x2.add(low1, f64x2.promote_low_f32x4(b));
    high1 = f64x2.add(high1, f64x2.promote_low_f32x4(i32x4.shuffle(b, b, 2, 3, 2, 3)));
    largest = i32x4.max_u(i32x4.max_u(largest, a), b);
    smallest = i32x4.min_u(i32x4.min_u(smallest, i32x4.sub(a, one)), i32x4.sub(b, one));
  }
  const lanes = f64x2.add(f64x2.add(low0, high0), f64x2.add(low1, high1));
  const sum = f64x2.extract_lane(lanes, 0) + f64x2.extract_lane(lanes, 1);
  if (isExact(smallestLane(smallest) + 1, largestLane(largest), <u32>elementCount, start)) {
    start += sum;
  } else {
    ptr = valuesPtr;
  }
  for (; ptr < end; ptr += 4) start += <f64>load<f32>(ptr);
  return start;
}

/**
 * values[i] = fl(values[i] − offset), in place.
 *
 * @param valuesPtr  in, out  f32[elementCount]
 */
export function subtractF32(valuesPtr: usize, elementCount: usize, offset: f32): void {
  const end = valuesPtr + (elementCount << 2);
  const offsets = f32x4.splat(offset);
  for (const last = valuesPtr + ((elementCount & ~7) << 2); valuesPtr < last; valuesPtr += 32) {
    v128.store(valuesPtr, f32x4.sub(v128.load(valuesPtr), offsets));
    v128.store(valuesPtr, f32x4.sub(v128.load(valuesPtr, 16), offsets), 16);
  }
  for (; valuesPtr < end; valuesPtr += 4) store<f32>(valuesPtr, load<f32>(valuesPtr) - offset);
}

/** @param smallest  bits of the smallest value that is not zero; 0 when all are */
function isExact(smallest: u32, largest: u32, count: u32, start: f64): bool {
  if (smallest == 0) return true;
  // Bits of infinity, NaN or a negative number are at least these.
  if (largest >= 0x7f800000) return false;
  // f32 of exponent e are multiples of 2^(e − 150); all subnormals are of 2^-149.
  const unitExponent = <i32>max<u32>(smallest >> 23, 1) - 150;
  const unit = reinterpret<f64>((<u64>(unitExponent + 1023)) << 52);
  const bound = reinterpret<f64>((<u64>(<i32>(largest >> 23) + 1 - 127 + 1023)) << 52);
  const limit = reinterpret<f64>((<u64>(unitExponent + EXACT_BITS + 1023)) << 52);
  return start + <f64>count * bound < limit && trunc(start / unit) * unit == start;
}

function smallestLane(lanes: v128): u32 {
  const pairs = i32x4.min_u(lanes, i32x4.shuffle(lanes, lanes, 2, 3, 2, 3));
  return min(<u32>i32x4.extract_lane(pairs, 0), <u32>i32x4.extract_lane(pairs, 1));
}

function largestLane(lanes: v128): u32 {
  const pairs = i32x4.max_u(lanes, i32x4.shuffle(lanes, lanes, 2, 3, 2, 3));
  return max(<u32>i32x4.extract_lane(pairs, 0), <u32>i32x4.extract_lane(pairs, 1));
}
