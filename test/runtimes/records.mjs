/** Inputs from seeds or base64, and the arrays of a record by their names. */

/** Floats that every engine computes alike: whole numbers and powers of two only. */
function floatsOf(seed, count) {
  const floats = new Float32Array(count);
  let state = seed >>> 0;
  for (let i = 0; i < count; i++) {
    // A linear congruential generator (Numerical Recipes).
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const magnitude = 2 ** -((state >>> 8) % 9);
    floats[i] = (((state >>> 12) - (1 << 19)) / (1 << 19)) * magnitude;
  }
  return floats;
}

/** `{ dtype, base64 }`, or `{ dtype, seed, count }`: the array that `quantize` takes. */
export function inputOf({ dtype, base64, seed, count }) {
  if (base64 === undefined) {
    const floats = floatsOf(seed, count);
    if (dtype === "float32") return floats;
    // The upper half of an f32 is a bfloat16.
    return new Uint16Array(floats.buffer).filter((_, i) => i % 2 === 1);
  }
  const { buffer } = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return dtype === "float32" ? new Float32Array(buffer) : new Uint16Array(buffer);
}

/** Every array of a record, and the numbers that are stored as f32, as one flat object. */
export function partsOf(record, prefix = "") {
  const parts = {};
  for (const [key, value] of Object.entries(record)) {
    const name = prefix + key;
    if (ArrayBuffer.isView(value)) parts[name] = value;
    else if (key === "offset" || key === "tensorScale") parts[name] = Float32Array.of(value);
    else if (key === "nested") Object.assign(parts, partsOf(value, "nested."));
  }
  return parts;
}
