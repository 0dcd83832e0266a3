/** Checkpoint shards of any size, made as they are read: nothing of them is on disk or in memory. */

const ROWS = 4096;
const COLUMNS = 14_336;

/** A tensor of this has 112 MiB. */
const TENSOR_BYTES = 2 * ROWS * COLUMNS;
const CHUNK_BYTES = 1 << 16;

/** @returns its size, and `chunks` that begin anew each time */
export function shardOf(tensors) {
  const header = {};
  for (let i = 0; i < tensors; i++) {
    header[`model.layers.${i}.mlp.up_proj.weight`] = {
      dtype: "BF16",
      shape: [ROWS, COLUMNS],
      data_offsets: [i * TENSOR_BYTES, (i + 1) * TENSOR_BYTES],
    };
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.byteLength));
  const head = Buffer.concat([length, padded]);
  const size = head.byteLength + tensors * TENSOR_BYTES;
  function* chunks() {
    yield head;
    const values = bfloats();
    for (let left = size - head.byteLength; left > 0; left -= CHUNK_BYTES) yield values;
  }
  return { size, chunks };
}

/** Finite numbers around zero. */
function bfloats() {
  const bytes = Buffer.alloc(CHUNK_BYTES);
  for (let i = 0; i < CHUNK_BYTES / 2; i++) {
    const float = Math.sin(i * 0.7) * 2 ** -(i % 7);
    bytes.writeUInt16LE(new Uint32Array(Float32Array.of(float).buffer)[0] >>> 16, 2 * i);
  }
  return bytes;
}
