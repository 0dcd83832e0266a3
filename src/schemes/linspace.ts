/** PyTorch's f32 `linspace`, on which the bits of the 8-bit maps depend. */

/**
 * `count` points from `start` to `end`, as PyTorch ≥ 2 computes them on x86-64 and CUDA:
 *
 *   step = fl(fl(end − start) / (count − 1))
 *   point[k] = fma(step, k, start)                  for k < floor(count / 2)
 *            = fma(−step, count − 1 − k, end)       otherwise
 *
 * A product of a 24-bit step and an index below 2^9 is exact in f64, and so is its sum with a
 * bound in [−1, 1]; one `fround` is therefore the fused operation. Without fusing, 42 of the 256
 * dynamic levels differ.
 */
export function linspaceF32(start: number, end: number, count: number): Float32Array {
  const first = Math.fround(start);
  const last = Math.fround(end);
  const step = Math.fround(Math.fround(last - first) / (count - 1));
  return Float32Array.from({ length: count }, (_, k) =>
    k < count >> 1 ? step * k + first : last - step * (count - 1 - k),
  );
}
