// Weights in memory: quantize, look at the cost, expand again.
// node examples/quantize-array.mjs

import { dequantize, quantize } from "quantwise";

const weights = Float32Array.from({ length: 256 * 256 }, (_, i) => Math.sin(i * i) * 0.02);
const shape = [256, 256];

for (const quantType of ["nf4", "fp4", "dynamic8", "llm-int8"]) {
  const q = quantize(weights, { quantType, shape });
  const back = dequantize(q);
  const squares = weights.reduce((sum, w, i) => sum + (w - back[i]) ** 2, 0);
  const energy = weights.reduce((sum, w) => sum + w * w, 0);
  const percent = (100 * Math.sqrt(squares / energy)).toFixed(2);
  console.log(`${quantType}: ${q.codes.byteLength} bytes of codes, error ${percent} % of the RMS`);
}
