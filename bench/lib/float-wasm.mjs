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

/** 8 products of 4 lanes a step, each added to a sum of its own. */
export function sumProducts(ptr: usize, steps: usize): void {
  const v0 = v128.load(ptr);
  const v1 = v128.load(ptr, 16);
  const v2 = v128.load(ptr, 32);
  const v3 = v128.load(ptr, 48);
  const x0 = v128.load(ptr, 64);
  const x1 = v128.load(ptr, 80);
  let a0 = v0, a1 = v0, a2 = v0, a3 = v0, b0 = v0, b1 = v0, b2 = v0, b3 = v0;
  do {
    a0 = f32x4.add(a0, f32x4.mul(v0, x0));
    b0 = f32x4.add(b0, f32x4.mul(v0, x1));
    a1 = f32x4.add(a1, f32x4.mul(v1, x0));
    b1 = f32x4.add(b1, f32x4.mul(v1, x1));
    a2 = f32x4.add(a2, f32x4.mul(v2, x0));
    b2 = f32x4.add(b2, f32x4.mul(v2, x1));
    a3 = f32x4.add(a3, f32x4.mul(v3, x0));
    b3 = f32x4.add(b3, f32x4.mul(v3, x1));
    steps--;
  } while (steps > 0);
  const a = f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3));
  v128.store(ptr, f32x4.add(a, f32x4.add(f32x4.add(b0, b1), f32x4.add(b2, b3))), 96);
}

/** 6 multiplications and 6 additions of 4 lanes a step, none waiting for another of its step. */
export function multiplyAndAdd(ptr: usize, steps: usize): void {
  const one = v128.load(ptr, 112);
  const addend = v128.load(ptr);
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
  const m = f32x4.mul(f32x4.mul(f32x4.mul(m0, m1), f32x4.mul(m2, m3)), f32x4.mul(m4, m5));
  const a = f32x4.add(f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3)), f32x4.add(a4, a5));
  v128.store(ptr, f32x4.add(m, a), 96);
}
`;

/** Steps of one call. */
const STEPS = 1_000_000;

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
  new Float32Array(memory.buffer, 1024, 24).fill(1e-3);
  new Float32Array(memory.buffer, 1024 + 112, 4).fill(1);
  return {
    gemv(input, out) {
      x.set(input);
      exports.gemv(weightsPtr, xPtr, yPtr, rows, columns);
      out.set(y);
    },
    /** Loops without memory, of which engines compile now the one better and now the other. */
    registers: [
      { run: () => exports.multiplyAndAdd(1024, STEPS), flops: STEPS * 12 * 4 },
      { run: () => exports.sumProducts(1024, STEPS), flops: STEPS * 16 * 4 },
    ],
  };
}
