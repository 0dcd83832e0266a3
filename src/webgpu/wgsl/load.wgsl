// Element i of `values` as the bits of an f32. DTYPE: 0 float32, 1 float16, 2 bfloat16.

override DTYPE: u32;

fn load(i: u32) -> u32 {
  if (DTYPE == 0u) { return values[i]; }
  let bits = (values[i >> 1u] >> ((i & 1u) * 16u)) & 0xffffu;
  if (DTYPE == 2u) { return bits << 16u; }
  return widen_half(bits);
}
