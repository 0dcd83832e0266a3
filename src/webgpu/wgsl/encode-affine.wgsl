// A thread a word of codes: round(x / scale) + zero point, clamped. The even element is the low nibble.

@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read> zero_points: array<i32>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;

override BITS: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let word = workgroup_index(workgroup, workgroups) * WORKGROUP + lane;
  let per_word = 32u / BITS;
  let first = word * per_word;
  if (first >= runs.count) { return; }
  var bits = 0u;
  for (var k = 0u; k < per_word; k++) {
    let i = first + k;
    if (i < runs.count) {
      let scale = scale_of(i);
      let code = nearest_integer(divide(load(i), scales[scale])) + zero_points[scale];
      bits |= (u32(clamp(code, runs.lowest, runs.highest)) & ((1u << BITS) - 1u)) << (k * BITS);
    }
  }
  codes[word] = bits;
}
