// A model whose linear weights went through a scheme and back, as a plain checkpoint.
//
//   node scripts/parity/roundtrip.mjs MODEL OUT SCHEME [DRAW]
//
// MODEL and OUT are directories, SCHEME a name of bench/lib/scheme-list.mjs ("nf4 64 +dq"). What
// `quantwise quantize` would select is quantized, expanded and written in float32, everything else
// as it was: any loader runs it, and no dtype is in the way of the scheme's own error. DRAW 0 is
// that; DRAW 1, 2 … shuffle the columns of every matrix first and put them back afterwards, so that
// other weights share a block: the same scheme with other errors. Prints bits per weight, relative
// RMS error and the names of those weights as JSON. Run `npm run build` first.

import { createWriteStream } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { writeSafetensors } from "quantwise/safetensors";
import { visitModel } from "../../bench/lib/model-weights.mjs";
import { randomFrom } from "../../bench/lib/sample-weights.mjs";
import { ErrorSums, roundTrip } from "../../bench/lib/scheme-error.mjs";
import { schemeNamed } from "../../bench/lib/scheme-list.mjs";

const [model, out, name, draw = "0"] = process.argv.slice(2);
const { options } = schemeNamed(name);
const random = randomFrom(Number(draw));
const sums = new ErrorSums();
const tensors = [];
const quantized = [];

await visitModel(model, ({ entry, bytes, weights }) => {
  if (weights === undefined) {
    tensors.push({ name: entry.name, dtype: entry.dtype, shape: entry.shape, data: bytes });
    return;
  }
  const order = draw === "0" ? undefined : shuffled(entry.shape.at(-1));
  const given = order === undefined ? weights : reordered(weights, order);
  const { restored, bytes: size } = roundTrip(given, entry.shape, options);
  sums.add(given, restored, size);
  quantized.push(entry.name);
  const values = order === undefined ? restored : reordered(restored, inverse(order));
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  tensors.push({ name: entry.name, dtype: "F32", shape: entry.shape, data });
});

await cp(model, out, { recursive: true, filter: (path) => !/\.safetensors(\.|$)/.test(path) });
const file = createWriteStream(join(out, "model.safetensors"));
await writeSafetensors(Writable.toWeb(file), tensors, { metadata: new Map([["format", "pt"]]) });
const { bitsPerWeight, relativeRms } = sums;
console.log(JSON.stringify({ bitsPerWeight, relativeRms, quantized }));

/** Fisher and Yates. */
function shuffled(count) {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random.uniform() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/** Column i of the result is column order[i]. */
function reordered(matrix, order) {
  const columns = order.length;
  return matrix.map((_, at) => matrix[at - (at % columns) + order[at % columns]]);
}

function inverse(order) {
  const places = new Uint32Array(order.length);
  for (const [place, index] of order.entries()) places[index] = place;
  return places;
}
