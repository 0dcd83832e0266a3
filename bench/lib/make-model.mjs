// Writes a synthetic Llama-like checkpoint: bf16 matrices of normal weights, any size.

import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/**
 * @param {string} directory
 * @param {{ matrices: number, rows: number, columns: number }} size `matrices` of [rows, columns]
 * @returns {{ bytes: number, path: string }}
 */
export function makeModel(directory, { matrices, rows, columns }) {
  mkdirSync(directory, { recursive: true });
  const entries = {};
  const matrixBytes = rows * columns * 2;
  const kinds = ["mlp.down_proj", "mlp.gate_proj", "mlp.up_proj", "self_attn.o_proj"];
  const names = Array.from({ length: matrices }, (_, i) => {
    return `model.layers.${Math.floor(i / 4)}.${kinds[i % 4]}.weight`;
  }).sort();
  names.forEach((name, i) => {
    const begin = i * matrixBytes;
    const data_offsets = [begin, begin + matrixBytes];
    entries[name] = { dtype: "BF16", shape: [rows, columns], data_offsets };
  });
  let json = JSON.stringify({ __metadata__: { format: "pt" }, ...entries });
  json += " ".repeat((8 - (Buffer.byteLength(json) % 8)) % 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));

  const path = join(directory, "model.safetensors");
  const file = openSync(path, "w");
  writeSync(file, length);
  writeSync(file, json);
  // One mebivalue of normal weights, rotated, so that no two matrices are alike.
  const pool = normalBf16(1 << 20);
  const bytes = new Uint8Array(pool.buffer);
  for (let i = 0; i < matrices; i++) {
    let left = matrixBytes;
    let at = (i * 4099 * 2) % bytes.length;
    while (left > 0) {
      const piece = bytes.subarray(at, Math.min(bytes.length, at + left));
      writeSync(file, piece);
      left -= piece.length;
      at = 0;
    }
  }
  closeSync(file);
  const config = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    torch_dtype: "bfloat16",
  };
  writeFileSync(join(directory, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  return { bytes: matrices * matrixBytes, path };
}

/**
 * Writes a checkpoint of very many small experts: all header. The data is a hole in the file.
 *
 * @returns {number} bytes of the header
 */
export function makeWideModel(directory, { tensors, size }) {
  mkdirSync(directory, { recursive: true });
  const file = openSync(join(directory, "model.safetensors"), "w");
  const tensorBytes = size * size * 2;
  const texts = ['{"__metadata__":{"format":"pt"}'];
  for (let i = 0; i < tensors; i++) {
    const begin = i * tensorBytes;
    const name = `model.layers.${i % 64}.mlp.experts.${i}.up_proj.weight`;
    const place = `"shape":[${size},${size}],"data_offsets":[${begin},${begin + tensorBytes}]`;
    texts.push(`"${name}":{"dtype":"BF16",${place}}`);
  }
  const json = Buffer.from(`${texts.join(",")}}`);
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + headerBytes, " ");
  header.writeBigUInt64LE(BigInt(headerBytes));
  json.copy(header, 8);
  writeSync(file, header);
  ftruncateSync(file, header.length + tensors * tensorBytes);
  closeSync(file);
  return headerBytes;
}

/** bf16 bits of normal(0, 0.02), from a fixed seed. */
function normalBf16(count) {
  const bits = new Uint16Array(count);
  const word = new DataView(new ArrayBuffer(4));
  let state = 0x9e3779b9;
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < count; i++) {
    const value = 0.02 * Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    word.setFloat32(0, value);
    bits[i] = (word.getUint32(0) + 0x8000) >>> 16;
  }
  return bits;
}
