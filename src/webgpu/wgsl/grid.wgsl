// Threads in one dimension over a grid of two, which devices limit in each.

const WORKGROUP = 64u;

fn workgroup_index(workgroup: vec3u, workgroups: vec3u) -> u32 {
  return workgroup.y * workgroups.x + workgroup.x;
}
