// Word `at` of `values` from one f32, or from two that are rounded. DTYPE as in load.wgsl.

override DTYPE: u32;

fn narrow(bits: u32) -> u32 {
  if (DTYPE == 2u) { return narrow_brain(bits); }
  return narrow_half(bits);
}
