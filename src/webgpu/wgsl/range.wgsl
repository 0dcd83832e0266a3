// A thread 32 elements: lowers and raises the range of their scales. status[0]: the first element that is NaN or infinite.

@group(0) @binding(1) var<storage, read> values: array<u32>;
// Two ordered integers a scale.
@group(0) @binding(2) var<storage, read_write> ranges: array<atomic<i32>>;
@group(0) @binding(3) var<storage, read_write> status: array<atomic<u32>>;

const STRETCH = 32u;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = (workgroup_index(workgroup, workgroups) * WORKGROUP + lane) * STRETCH;
  if (start >= runs.count) { return; }
  let end = min(start + STRETCH, runs.count);
  var scale = scale_of(start);
  var lowest = 0;
  var highest = 0;
  for (var i = start; i < end; i++) {
    let next = scale_of(i);
    if (next != scale) {
      atomicMin(&ranges[2u * scale], lowest);
      atomicMax(&ranges[2u * scale + 1u], highest);
      scale = next;
      lowest = 0;
      highest = 0;
    }
    let bits = load(i);
    if ((bits & 0x7fffffffu) >= INFINITE) { atomicMin(&status[0], i); }
    let key = ordered(bits);
    lowest = min(lowest, key);
    highest = max(highest, key);
  }
  atomicMin(&ranges[2u * scale], lowest);
  atomicMax(&ranges[2u * scale + 1u], highest);
}
