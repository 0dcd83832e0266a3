// A thread a word of values: level * absmax, rounded to f32 and then to DTYPE.

struct Blocks { count: u32, block_size: u32 }

@group(0) @binding(0) var<uniform> blocks: Blocks;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> absmax: array<u32>;
@group(0) @binding(3) var<storage, read> levels: array<u32>;
@group(0) @binding(4) var<storage, read_write> values: array<u32>;

override BITS: u32;

fn value_of(i: u32) -> u32 {
  var code = 0u;
  if (BITS == 4u) {
    code = (codes[i >> 3u] >> (((i & 7u) ^ 1u) * 4u)) & 15u;
  } else {
    code = (codes[i >> 2u] >> ((i & 3u) * 8u)) & 255u;
  }
  return multiply(levels[code], absmax[i / blocks.block_size]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let word = workgroup_index(workgroup, workgroups) * WORKGROUP + lane;
  if (DTYPE == 0u) {
    if (word < blocks.count) { values[word] = value_of(word); }
    return;
  }
  let i = word * 2u;
  if (i >= blocks.count) { return; }
  var bits = narrow(value_of(i));
  if (i + 1u < blocks.count) { bits |= narrow(value_of(i + 1u)) << 16u; }
  values[word] = bits;
}
