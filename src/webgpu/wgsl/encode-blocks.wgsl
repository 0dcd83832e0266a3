// A thread a word of codes. The code is order[number of thresholds below the scaled value].

struct Blocks { count: u32, block_size: u32 }

@group(0) @binding(0) var<uniform> blocks: Blocks;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read> factors: array<u32>;
// 256 thresholds as ordered integers, then 256 codes.
@group(0) @binding(3) var<storage, read> table: array<u32>;
@group(0) @binding(4) var<storage, read_write> codes: array<u32>;

override BITS: u32;

fn decide(scaled: u32) -> u32 {
  let key = ordered(scaled);
  var rank = 0u;
  for (var step = 1u << (BITS - 1u); step > 0u; step >>= 1u) {
    if (key > i32(table[rank + step - 1u])) { rank += step; }
  }
  return table[256u + rank];
}

fn code_of(i: u32) -> u32 {
  let block = i / blocks.block_size;
  let value = load(i);
  // A short last block is divided, a full one multiplied.
  if ((block + 1u) * blocks.block_size > blocks.count) { return decide(divide(value, factors[block])); }
  return decide(multiply(value, factors[block]));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let word = workgroup_index(workgroup, workgroups) * WORKGROUP + lane;
  let per_word = 32u / BITS;
  let first = word * per_word;
  if (first >= blocks.count) { return; }
  var bits = 0u;
  for (var k = 0u; k < per_word; k++) {
    let i = first + k;
    // The even element is the high nibble; the pad of an odd count is the code of 0.
    let at = select(k * 8u, (k ^ 1u) * 4u, BITS == 4u);
    if (i < blocks.count) {
      bits |= code_of(i) << at;
    } else if (BITS == 4u && i == blocks.count && (i & 1u) == 1u) {
      bits |= decide(0u) << at;
    }
  }
  codes[word] = bits;
}
