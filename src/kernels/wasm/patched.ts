/** Two builds of the kernels differ in a few bytes: the second travels as what differs. */

/**
 * @param patch for every difference how many bytes of `bytes` to copy, to drop and how many of the
 *   patch to insert, as unsigned LEB128, then those to insert; what follows the last is copied
 */
export function patched(bytes: Uint8Array, patch: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts: number[] = [];
  let at = 0;
  let cursor = 0;
  const copy = (end: number) => {
    while (at < end) parts.push(bytes[at++] as number);
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
    copy(at + next());
    at += next();
    for (let inserted = next(); inserted > 0; inserted--) parts.push(patch[cursor++] as number);
  }
  copy(bytes.length);
  return Uint8Array.from(parts);
}
