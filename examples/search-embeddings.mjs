// Vector search in little more than a quarter of the memory: signs find candidates, 8 bits put them
// in order.
// node examples/search-embeddings.mjs

import { calibrationRanges, dotProducts, hammingDistances, quantizeEmbeddings } from "quantwise";

const dimensions = 384;
const rows = 10_000;
const random = seeded(1);
const topics = Array.from({ length: 50 }, () => randomVector());
const corpus = new Float32Array(rows * dimensions);
for (let row = 0; row < rows; row++) corpus.set(unitVector(), row * dimensions);

// Ranges from a sample, part by part; every later embedding is coded with the same ones.
let ranges;
for (let row = 0; row < 2000; row += 500) {
  const part = corpus.subarray(row * dimensions, (row + 500) * dimensions);
  ranges = calibrationRanges(part, { dimensions, ranges });
}
const bytes = quantizeEmbeddings(corpus, { precision: "int8", dimensions, ranges });
const bits = quantizeEmbeddings(corpus, { precision: "ubinary", dimensions });
console.log(
  `${rows} × ${dimensions}: float32 ${corpus.byteLength}, int8 ${bytes.codes.byteLength}, ` +
    `ubinary ${bits.codes.byteLength} bytes`,
);

const found = { int8: 0, ubinary: 0, "ubinary, then int8": 0 };
const queries = 50;
for (let i = 0; i < queries; i++) {
  const query = unitVector();
  const exact = new Set(nearest(10, floatDots(query)));
  const count = (name, hits) => {
    found[name] += hits.filter((row) => exact.has(row)).length;
  };
  count("int8", nearest(10, dotProducts(query, bytes)));

  const signs = quantizeEmbeddings(query, { precision: "ubinary", dimensions });
  const candidates = nearest(100, hammingDistances(signs.codes, bits), -1);
  count("ubinary", candidates.slice(0, 10));

  const scores = dotProducts(query, bytes, { rows: candidates });
  const best = nearest(10, scores).map((place) => candidates[place]);
  count("ubinary, then int8", best);
}
for (const [name, hits] of Object.entries(found)) {
  console.log(`recall@10 of ${name}: ${(hits / (10 * queries)).toFixed(3)}`);
}

/** Places of the k largest scores (of the smallest where sign is −1), the best first. */
function nearest(k, scores, sign = 1) {
  return [...scores.keys()].sort((a, b) => sign * (scores[b] - scores[a])).slice(0, k);
}

function floatDots(query) {
  return Float32Array.from({ length: rows }, (_, row) => {
    let dot = 0;
    for (let i = 0; i < dimensions; i++) dot += query[i] * corpus[row * dimensions + i];
    return dot;
  });
}

/** A topic and as much of its own. */
function unitVector() {
  const topic = topics[Math.floor(random() * topics.length)];
  const vector = randomVector().map((x, i) => x + topic[i]);
  const length = Math.hypot(...vector);
  return vector.map((x) => x / length);
}

function randomVector() {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Float32Array.from({ length: dimensions }, normal);
}

/** mulberry32: the same set on every run. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
