// How scales lie over the elements: see ScaleRuns in kernels/kernel-set.ts.

struct Runs {
  count: u32,
  row_length: u32,
  run_length: u32,
  start_column: u32,
  first_scale: u32,
  scale_count: u32,
  lowest: i32,
  highest: i32,
}

@group(0) @binding(0) var<uniform> runs: Runs;

fn scale_of(i: u32) -> u32 {
  let runs_per_row = (runs.row_length + runs.run_length - 1u) / runs.run_length;
  let place = runs.start_column + i;
  let row = place / runs.row_length;
  let column = place - row * runs.row_length;
  let run = row * runs_per_row + column / runs.run_length - runs.start_column / runs.run_length;
  return (runs.first_scale + run) % runs.scale_count;
}
