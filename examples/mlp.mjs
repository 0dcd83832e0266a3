// A two-layer MLP from a quantized checkpoint: its weights stay in 4 bits.
// node examples/mlp.mjs

import { readFile } from "node:fs/promises";
import { ModelWeights, QuantizeSafetensorsStream } from "quantwise/checkpoint";
import { linear, prepareLinear } from "quantwise/linear";
import { openSafetensors } from "quantwise/safetensors";

const plain = await readFile(new URL("sample/model.safetensors", import.meta.url));
const quantized = new Blob([plain])
  .stream()
  .pipeThrough(new QuantizeSafetensorsStream({ quantType: "nf4", blockSize: 32 }));
const weights = await openWeights(new Uint8Array(await new Response(quantized).arrayBuffer()));
const original = await openWeights(plain);

const UP = "model.layers.0.mlp.up_proj.weight";
const DOWN = "model.layers.0.mlp.down_proj.weight";
const up = prepareLinear(await weights.record(UP));
const down = prepareLinear(await weights.record(DOWN));
console.log(
  `${up.quantType}, ${up.kernels.name}: ${up.byteCount + down.byteCount} bytes of weights`,
);

const batch = 4;
const x = Float32Array.from({ length: batch * up.shape[1] }, (_, i) => Math.sin(i * i));
const y = linear(linear(x, up).map(silu), down);

const [upFloats, downFloats] = [await original.floats(UP), await original.floats(DOWN)];
const expected = product(product(x, upFloats, up.shape).map(silu), downFloats, down.shape);
console.log(`cosine with float weights: ${cosine(y, expected).toFixed(4)}`);
const options = { activations: "int8" };
const fast = linear(linear(x, up, options).map(silu), down, options);
console.log(`cosine, int8 activations:  ${cosine(fast, expected).toFixed(4)}`);
up.dispose();
down.dispose();

async function openWeights(bytes) {
  return ModelWeights.open([await openSafetensors(bytesSource(bytes))]);
}

/** Anything with a size and ranges can be read: a Blob, an object store, a file. */
function bytesSource(data) {
  return {
    name: "memory",
    size: data.byteLength,
    async read(target, position) {
      target.set(data.subarray(position, position + target.byteLength));
    },
  };
}

/** x · Wᵀ, as anybody would write it. */
function product(x, w, [rows, columns]) {
  const y = new Float32Array((x.length / columns) * rows);
  for (let i = 0; i < y.length; i++) {
    const [b, r] = [Math.floor(i / rows), i % rows];
    for (let c = 0; c < columns; c++) y[i] += x[b * columns + c] * w[r * columns + c];
  }
  return y;
}

function silu(value) {
  return value / (1 + Math.exp(-value));
}

function cosine(a, b) {
  const dot = (u, v) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
