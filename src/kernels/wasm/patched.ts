/** Two builds of the kernels differ in a few bytes: the second travels as what differs. */

/**
 * @param patch for every difference how many of `bytes` to copy, to drop and how many of the patch
 *   to insert, as unsigned LEB128, then those to insert; what follows the last is copied
 */
export function patched(bytes: Uint8Array, patch: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes.length + patch.length);
  let [end, at, cursor] = [0, 0, 0];
  const append = (part: Uint8Array) => {
    result.set(part, end);
    end += part.length;
    return part.length;
  };
  const next = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = patch[cursor++] as number;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (cursor < patch.length) {
    at += append(bytes.subarray(at, at + next()));
    at += next();
    const inserted = next();
    cursor += append(patch.subarray(cursor, cursor + inserted));
  }
  append(bytes.subarray(at));
  return result.slice(0, end);
}
