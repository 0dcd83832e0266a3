// What float products cost on WebAssembly SIMD: a matrix-vector product, and the most that
// multiplications and additions can do. Compiled here, because no part of the package needs them.

import asc from "assemblyscript/asc";

const SOURCE = `
/** y = W · x for f32 rows; columns a multiple of 16. Sixteen sums: as fast as memory gives W. */
export function gemv(w: usize, x: usize, y: usize, rows: usize, columns: usize): void {
  for (; rows > 0; rows--, y += 4) {
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    let c = f32x4.splat(0);
    let d = f32x4.splat(0);
    let xs = x;
    const end = w + (columns << 2);
    do {
      a = f32x4.add(a, f32x4.mul(v128.load(w), v128.load(xs)));
      b = f32x4.add(b, f32x4.mul(v128.load(w, 16), v128.load(xs, 16)));
      c = f32x4.add(c, f32x4.mul(v128.load(w, 32), v128.load(xs, 32)));
      d = f32x4.add(d, f32x4.mul(v128.load(w, 48), v128.load(xs, 48)));
      w += 64;
      xs += 64;
    } while (w < end);
    const s = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
    store<f32>(y, f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1)
      + f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3));
  }
}

/** 6 multiplications and 6 additions of 4 lanes a step, none waiting for another. */
export function multiplyAndAdd(ptr: usize, steps: usize): void {
  const one = v128.load(ptr);
  const addend = v128.load(ptr, 16);
  let a0 = addend, a1 = addend, a2 = addend, a3 = addend, a4 = addend, a5 = addend;
  let m0 = one, m1 = one, m2 = one, m3 = one, m4 = one, m5 = one;
  do {
    m0 = f32x4.mul(m0, one);
    a0 = f32x4.add(a0, addend);
    m1 = f32x4.mul(m1, one);
    a1 = f32x4.add(a1, addend);
    m2 = f32x4.mul(m2, one);
    a2 = f32x4.add(a2, addend);
    m3 = f32x4.mul(m3, one);
    a3 = f32x4.add(a3, addend);
    m4 = f32x4.mul(m4, one);
    a4 = f32x4.add(a4, addend);
    m5 = f32x4.mul(m5, one);
    a5 = f32x4.add(a5, addend);
    steps--;
  } while (steps > 0);
  v128.store(ptr, f32x4.mul(f32x4.mul(f32x4.mul(m0, m1), f32x4.mul(m2, m3)), f32x4.mul(m4, m5)), 32);
  v128.store(ptr, f32x4.add(f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3)), f32x4.add(a4, a5)), 48);
}
`;

/** Floating-point operations of one step of `multiplyAndAdd`. */
const STEP_FLOPS = 12 * 4;
const STEPS = 5_000_000;

/** @returns f32 products of `weights` [rows, columns], and what one thread can reach */
export async function floatWasm(weights, rows, columns) {
  const { binary, error, stderr } = await asc.compileString(SOURCE, {
    optimizeLevel: 3,
    converge: true,
    noAssert: true,
    runtime: "stub",
    enable: ["simd"],
    importMemory: true,
    noExportMemory: true,
    use: ["abort="],
  });
  if (error) throw new Error(`asc: ${stderr}`);
  const start = 65536;
  const [xPtr, yPtr] = [start, start + 4 * columns];
  const weightsPtr = yPtr + 4 * Math.ceil(rows / 16) * 16;
  const pages = Math.ceil((weightsPtr + 4 * weights.length) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } });
  new Float32Array(memory.buffer, weightsPtr, weights.length).set(weights);
  const x = new Float32Array(memory.buffer, xPtr, columns);
  const y = new Float32Array(memory.buffer, yPtr, rows);
  const constants = new Float32Array(memory.buffer, 1024, 8);
  return {
    gemv(input, out) {
      x.set(input);
      exports.gemv(weightsPtr, xPtr, yPtr, rows, columns);
      out.set(y);
    },
    flops: STEPS * STEP_FLOPS,
    /** `flops` operations. */
    multiplyAndAdd() {
      constants.fill(1, 0, 4).fill(1e-3, 4, 8);
      exports.multiplyAndAdd(1024, STEPS);
    },
  };
}
