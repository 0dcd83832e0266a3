// The linear weights of a model on disk: those that `quantwise quantize` would quantize.

import { identityOf, Plan } from "quantwise/checkpoint";
import { openModel } from "quantwise/node";
import { readTensor } from "quantwise/safetensors";

/**
 * @param {string} path a .safetensors file or a checkpoint directory
 * @param {(tensor: {
 *   entry: import("quantwise/safetensors").TensorEntry,
 *   bytes: Uint8Array,
 *   weights: Float32Array | undefined,
 * }) => void | Promise<void>} visit every tensor in turn; `weights` where it is a selected matrix
 */
export async function visitModel(path, visit) {
  const model = await openModel(path);
  try {
    const files = model.files.map(({ source, table }) => ({ name: source.name, table }));
    const plan = new Plan(files, identityOf(model.config), {});
    for (let index = 0; index < plan.length; index++) {
      const { file, entry, action, transpose } = plan.unit(index);
      if (transpose) throw new Error(`${entry.name}: Conv1D weights are not measured here`);
      const bytes = await readTensor(model.files[file], entry);
      const weights = action === "copy" ? undefined : floatsOf(entry, bytes);
      await visit({ entry, bytes, weights });
    }
  } finally {
    await model.close();
  }
}

/** @returns {Float32Array} */
function floatsOf({ name, dtype }, { buffer, byteLength }) {
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer);
    case "BF16": {
      const bits = new Uint16Array(buffer, 0, byteLength / 2);
      return new Float32Array(Uint32Array.from(bits, (half) => half << 16).buffer);
    }
    default:
      throw new Error(`${name}: ${dtype} is not measured here, only F32 and BF16`);
  }
}
