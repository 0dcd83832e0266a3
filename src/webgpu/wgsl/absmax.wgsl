// A workgroup a block: its absmax, and the factor that scales it. status[0]: the first block with NaN or infinity.

struct Blocks { count: u32, block_size: u32 }

@group(0) @binding(0) var<uniform> blocks: Blocks;
@group(0) @binding(1) var<storage, read> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> absmax: array<u32>;
@group(0) @binding(3) var<storage, read_write> factors: array<u32>;
@group(0) @binding(4) var<storage, read_write> status: array<atomic<u32>>;

// fl(1e-38), a subnormal: no block is scaled by less.
const SMALLEST_SCALE = 0x006ce3eeu;

var<workgroup> largest: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let block = workgroup_index(workgroup, workgroups);
  let start = block * blocks.block_size;
  if (block >= (blocks.count + blocks.block_size - 1u) / blocks.block_size) { return; }
  let end = min(start + blocks.block_size, blocks.count);
  var own = 0u;
  for (var i = start + lane; i < end; i += WORKGROUP) { own = max(own, load(i) & 0x7fffffffu); }
  largest[lane] = own;
  for (var half = WORKGROUP / 2u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) { largest[lane] = max(largest[lane], largest[lane + half]); }
  }
  if (lane != 0u) { return; }
  let found = largest[0];
  if (found >= INFINITE) { atomicMin(&status[0], block); }
  let divisor = max(found, SMALLEST_SCALE);
  if (end - start < blocks.block_size) {
    absmax[block] = divisor;
    factors[block] = divisor;
  } else {
    absmax[block] = found;
    factors[block] = divide(0x3f800000u, min(divisor, INFINITE - 1u));
  }
}
