/** (lane 0 + lane 2) + (lane 1 + lane 3): how every product's four sums are added. */
// @ts-ignore: decorator
@inline
export function totalOf(sums: v128): f32 {
  const halves = f32x4.add(sums, i32x4.shuffle(sums, sums, 2, 3, 0, 1));
  return f32x4.extract_lane(halves, 0) + f32x4.extract_lane(halves, 1);
}
