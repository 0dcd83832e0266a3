import { createQuantizer } from "quantwise/webgpu";

/** Times of a product that count, after one that warms up. */
const TIMES = 5;

/**
 * Quantizes the same weights on the GPU and on the host, and multiplies by them.
 *
 * @returns what each took in milliseconds, where it ran and why, and the largest difference of the products
 */
export async function compare({ quantType, size, batch, allowFallbackAdapter }) {
  const weights = floats(size * size, 1);
  const x = floats(batch * size, 2);
  // No crossover: the GPU does it, if there is one.
  const crossover = { quantize: 0, linear: 0 };
  const gpu = await createQuantizer({ allowFallbackAdapter, crossover });
  const host = await createQuantizer({ device: "wasm" });
  const results = [];
  for (const quantizer of [gpu, host]) {
    const begin = performance.now();
    const { record, ranOn } = await quantizer.quantize(weights, { quantType, shape: [size, size] });
    const quantizeMs = performance.now() - begin;
    const layer = await quantizer.prepareLinear(record);
    const product = await layer.multiply(x);
    const times = [];
    for (let i = 0; i < TIMES; i++) {
      const from = performance.now();
      await layer.multiply(x);
      times.push(performance.now() - from);
    }
    const multiplyMs = times.sort((a, b) => a - b)[TIMES >> 1];
    layer.dispose();
    results.push({ record, ranOn, product, quantizeMs, multiplyMs });
  }
  gpu.dispose();
  const [one, other] = results.map(({ product }) => product.values);
  const difference = one.reduce((far, value, i) => Math.max(far, Math.abs(value - other[i])), 0);
  const largest = other.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const sameCodes = results[0].record.codes.every((code, i) => code === results[1].record.codes[i]);
  return { results, difference, largest, sameCodes };
}

/** Weights as of a trained layer, roughly: small, around 0. */
function floats(count, seed) {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return Float32Array.from({ length: count }, () => (next() + next() + next()) * 0.04);
}
