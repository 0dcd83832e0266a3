// A workgroup a row of the weights and TILE rows of x: y = x * W^T, in f32 of the device.

@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read> zero_points: array<i32>;
@group(0) @binding(4) var<storage, read> levels: array<f32>;
@group(0) @binding(5) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

struct Sizes { rows: u32, columns: u32, batch: u32 }
@group(0) @binding(7) var<uniform> sizes: Sizes;

override BITS: u32;
// Levels are looked up, with the even element in the high nibble; else codes are numbers.
override HAS_LEVELS: bool;

const TILE = 4u;

var<workgroup> sums: array<vec4f, WORKGROUP>;

fn weight(word: u32, k: u32, zero_point: i32) -> f32 {
  if (HAS_LEVELS) {
    if (BITS == 4u) { return levels[(word >> ((k ^ 1u) * 4u)) & 15u]; }
    return levels[(word >> (k * 8u)) & 255u];
  }
  var code = i32((word >> (k * BITS)) & ((1u << BITS) - 1u));
  if (code > runs.highest) { code -= i32(1u << BITS); }
  return f32(code - zero_point);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = workgroup_index(workgroup, workgroups);
  if (row >= sizes.rows) { return; }
  let first = workgroup.z * TILE;
  let per_word = 32u / BITS;
  let words = sizes.columns / per_word;
  var own = vec4f();
  for (var at = lane; at < words; at += WORKGROUP) {
    let column = at * per_word;
    let word = codes[row * words + at];
    let scale = scale_of(row * sizes.columns + column);
    let zero_point = zero_points[scale];
    var part = vec4f();
    for (var k = 0u; k < per_word; k++) {
      let w = weight(word, k, zero_point);
      for (var b = 0u; b < TILE; b++) {
        if (first + b < sizes.batch) { part[b] += w * x[(first + b) * sizes.columns + column + k]; }
      }
    }
    own += part * scales[scale];
  }
  sums[lane] = own;
  for (var half = WORKGROUP / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  if (lane != 0u) { return; }
  for (var b = 0u; b < TILE; b++) {
    if (first + b < sizes.batch) { y[(first + b) * sizes.rows + row] = sums[0][b]; }
  }
}
