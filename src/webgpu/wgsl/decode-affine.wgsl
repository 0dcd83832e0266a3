// A thread a word of values: (code - zero point) * scale, rounded to f32 and then to DTYPE.

@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read> zero_points: array<i32>;
@group(0) @binding(4) var<storage, read_write> values: array<u32>;

override BITS: u32;

fn value_of(i: u32) -> u32 {
  let per_word = 32u / BITS;
  var code = i32((codes[i / per_word] >> ((i % per_word) * BITS)) & ((1u << BITS) - 1u));
  if (code > runs.highest) { code -= i32(1u << BITS); }
  let scale = scale_of(i);
  return multiply(from_integer(code - zero_points[scale]), scales[scale]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let word = workgroup_index(workgroup, workgroups) * WORKGROUP + lane;
  if (DTYPE == 0u) {
    if (word < runs.count) { values[word] = value_of(word); }
    return;
  }
  let i = word * 2u;
  if (i >= runs.count) { return; }
  var bits = narrow(value_of(i));
  if (i + 1u < runs.count) { bits |= narrow(value_of(i + 1u)) << 16u; }
  values[word] = bits;
}
