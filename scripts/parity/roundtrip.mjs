// A model whose linear weights went through a scheme and back, as a plain checkpoint.
//
//   node scripts/parity/roundtrip.mjs MODEL OUT SCHEME
//
// MODEL and OUT are directories, SCHEME a name of bench/lib/scheme-list.mjs ("nf4 64 +dq"). What
// `quantwise quantize` would select is quantized, expanded and written in float32, everything else
// as it was: any loader runs it, and no dtype is in the way of the scheme's own error. Prints
// bits per weight, relative RMS error and the names of those weights as JSON. Run `npm run build`
// first.

import { createWriteStream } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { writeSafetensors } from "quantwise/safetensors";
import { visitModel } from "../../bench/lib/model-weights.mjs";
import { ErrorSums, roundTrip } from "../../bench/lib/scheme-error.mjs";
import { schemeNamed } from "../../bench/lib/scheme-list.mjs";

const [model, out, name] = process.argv.slice(2);
const { options } = schemeNamed(name);
const sums = new ErrorSums();
const tensors = [];
const quantized = [];

await visitModel(model, ({ entry, bytes, weights }) => {
  if (weights === undefined) {
    tensors.push({ name: entry.name, dtype: entry.dtype, shape: entry.shape, data: bytes });
    return;
  }
  const { restored, bytes: size } = roundTrip(weights, entry.shape, options);
  sums.add(weights, restored, size);
  quantized.push(entry.name);
  const data = new Uint8Array(restored.buffer, restored.byteOffset, restored.byteLength);
  tensors.push({ name: entry.name, dtype: "F32", shape: entry.shape, data });
});

await cp(model, out, { recursive: true, filter: (path) => !/\.safetensors(\.|$)/.test(path) });
const file = createWriteStream(join(out, "model.safetensors"));
await writeSafetensors(Writable.toWeb(file), tensors, { metadata: new Map([["format", "pt"]]) });
const { bitsPerWeight, relativeRms } = sums;
console.log(JSON.stringify({ bitsPerWeight, relativeRms, quantized }));
