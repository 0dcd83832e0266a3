// A stream, as in an edge function: bytes of a safetensors file in, a quantized file out. Nothing is
// held but two tiles and one tensor's scales.
// node examples/stream.mjs [input.safetensors] > output.safetensors

import { createReadStream } from "node:fs";
import { Readable, Writable } from "node:stream";
import { QuantizeSafetensorsStream } from "quantwise/checkpoint";

const sample = new URL("sample/model.safetensors", import.meta.url);
const input = Readable.toWeb(createReadStream(process.argv[2] ?? sample));

const quantized = input.pipeThrough(
  new QuantizeSafetensorsStream({
    quantType: "nf4",
    model: { modelType: "llama", architectures: ["LlamaForCausalLM"] },
    onTensor: ({ name, action }) => console.error(`${name}: ${action}`),
  }),
);
await quantized.pipeTo(Writable.toWeb(process.stdout));
