/** What the example should make: what the same package makes in Node. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../lib/project.mjs";

// No Buffer: miniflare's R2 takes plain arrays.
export const checkpoint = new Uint8Array(
  readFileSync(join(root, "test/vectors/checkpoints/llama_tiny_bf16/model.safetensors")),
);
export const LLAMA = "modelType=llama&architecture=LlamaForCausalLM";
export const model = { modelType: "llama", architectures: ["LlamaForCausalLM"] };

/** What the same package makes of it in Node. */
export async function expectedOf(library, chunks, options) {
  const hash = createHash("sha256");
  let size = 0;
  const source = ReadableStream.from(chunks);
  const quantized = source.pipeThrough(new library.QuantizeSafetensorsStream(options));
  for await (const chunk of quantized) {
    size += chunk.byteLength;
    hash.update(chunk);
  }
  return { size, sha: hash.digest("hex") };
}

export function hashOf(bytes) {
  return { size: bytes.byteLength, sha: createHash("sha256").update(bytes).digest("hex") };
}
