// One block of a Llama from a quantized checkpoint: RMS norm, attention with rotary positions, and a
// gated MLP. Every product is with weights in 4 bits.
// node examples/transformer-block.mjs

import { readFile } from "node:fs/promises";
import { ModelWeights, parseModelConfig, QuantizeSafetensorsStream } from "quantwise/checkpoint";
import { linear, prepareLinear } from "quantwise/linear";
import { openSafetensors } from "quantwise/safetensors";

const read = (name) => readFile(new URL(`sample/${name}`, import.meta.url));
const plain = await read("model.safetensors");
const config = JSON.parse(await read("config.json"));
const model = parseModelConfig(await read("config.json"), "config.json");
const quantized = new Blob([plain])
  .stream()
  .pipeThrough(new QuantizeSafetensorsStream({ quantType: "nf4", blockSize: 32 }));
const files = { plain, nf4: new Uint8Array(await new Response(quantized).arrayBuffer()) };

const { hidden_size: hidden, num_attention_heads: heads, rms_norm_eps: epsilon } = config;
const headSize = hidden / heads;
const tokens = [1, 17, 42, 5, 88, 31, 60, 2];

const outputs = {};
for (const [name, bytes] of Object.entries(files)) {
  const weights = await ModelWeights.open([await openSafetensors(bytesSource(bytes))], model);
  const embeddings = await weights.floats("model.embed_tokens.weight");
  const x = new Float32Array(tokens.length * hidden);
  for (const [i, token] of tokens.entries()) {
    x.set(embeddings.subarray(token * hidden, (token + 1) * hidden), i * hidden);
  }
  outputs[name] = block(x, await layerOf(weights, "model.layers.0."));
}
console.log(`${tokens.length} tokens through a block of ${hidden} dimensions and ${heads} heads`);
console.log(`cosine of NF4 with float weights: ${cosine(outputs.nf4, outputs.plain).toFixed(4)}`);

/** The products and norms of a block, each a function. */
async function layerOf(weights, prefix) {
  const layer = {};
  for (const name of ["self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o"]) {
    layer[name.slice(-1)] = await productWith(weights, `${prefix}${name}_proj.weight`);
  }
  for (const name of ["gate", "up", "down"]) {
    layer[name] = await productWith(weights, `${prefix}mlp.${name}_proj.weight`);
  }
  for (const name of ["input_layernorm", "post_attention_layernorm"]) {
    const scale = await weights.floats(`${prefix}${name}.weight`);
    layer[name] = (x) => rmsNorm(x, scale);
  }
  return layer;
}

async function productWith(weights, name) {
  if (weights.isQuantized(name)) {
    const prepared = prepareLinear(await weights.record(name));
    return (x) => linear(x, prepared);
  }
  const w = await weights.floats(name);
  return (x, columns = hidden) => product(x, w, columns);
}

function block(x, { q, k, v, o, gate, up, down, ...norms }) {
  const normed = norms.input_layernorm(x);
  const attended = o(attention(rotated(q(normed)), rotated(k(normed)), v(normed)));
  const middle = sum(x, attended);
  const input = norms.post_attention_layernorm(middle);
  const gates = gate(input);
  const wide = up(input).map((value, i) => value * (gates[i] / (1 + Math.exp(-gates[i]))));
  return sum(middle, down(wide, config.intermediate_size));
}

/** Causal, softmax(q · k / √size) · v for each head. */
function attention(q, k, v) {
  const out = new Float32Array(q.length);
  for (let head = 0; head < heads; head++) {
    const at = (token) => token * hidden + head * headSize;
    for (let to = 0; to < tokens.length; to++) {
      const scores = Array.from({ length: to + 1 }, (_, from) => {
        let dot = 0;
        for (let i = 0; i < headSize; i++) dot += q[at(to) + i] * k[at(from) + i];
        return Math.exp(dot / Math.sqrt(headSize));
      });
      const total = scores.reduce((a, b) => a + b, 0);
      for (const [from, score] of scores.entries()) {
        for (let i = 0; i < headSize; i++) {
          out[at(to) + i] += (score / total) * v[at(from) + i];
        }
      }
    }
  }
  return out;
}

/** Rotary positions: dimensions i and i + size / 2 of a head turn together. */
function rotated(x) {
  const out = new Float32Array(x.length);
  const half = headSize / 2;
  for (let start = 0; start < x.length; start += headSize) {
    const token = Math.floor(start / hidden);
    for (let i = 0; i < half; i++) {
      const angle = token * config.rope_theta ** (-i / half);
      const [a, b] = [x[start + i], x[start + i + half]];
      out[start + i] = a * Math.cos(angle) - b * Math.sin(angle);
      out[start + i + half] = b * Math.cos(angle) + a * Math.sin(angle);
    }
  }
  return out;
}

function rmsNorm(x, scale) {
  const out = new Float32Array(x.length);
  for (let start = 0; start < x.length; start += hidden) {
    const row = x.subarray(start, start + hidden);
    const mean = row.reduce((total, value) => total + value * value, 0) / hidden;
    for (let i = 0; i < hidden; i++) {
      out[start + i] = (row[i] / Math.sqrt(mean + epsilon)) * scale[i];
    }
  }
  return out;
}

/** x · Wᵀ, as anybody would write it. */
function product(x, w, columns) {
  const rows = w.length / columns;
  const y = new Float32Array((x.length / columns) * rows);
  for (let i = 0; i < y.length; i++) {
    const [b, r] = [Math.floor(i / rows), i % rows];
    for (let c = 0; c < columns; c++) y[i] += x[b * columns + c] * w[r * columns + c];
  }
  return y;
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

function sum(a, b) {
  return a.map((value, i) => value + b[i]);
}

function cosine(a, b) {
  const dot = (u, v) => u.reduce((total, value, i) => total + value * v[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
