/** Packed signs, expanded. */

/**
 * One i8 a dimension: 1 where the bit is set, −1 elsewhere. What pads a row is left out.
 *
 * @param bytes  rows of ceil(dimensions / 8) bytes
 * @param signed whether 128 was subtracted from the bytes
 */
export function expandSigns(bytes: Uint8Array, dimensions: number, signed: boolean): Int8Array {
  const rowBytes = Math.ceil(dimensions / 8);
  const rowCount = bytes.length / rowBytes;
  const signs = new Int8Array(rowCount * dimensions);
  const flip = signed ? 0x80 : 0;
  for (let row = 0, at = 0; row < rowCount; row++) {
    for (let dimension = 0; dimension < dimensions; dimension++, at++) {
      const byte = (bytes[row * rowBytes + (dimension >> 3)] as number) ^ flip;
      signs[at] = (byte >> (7 - (dimension & 7))) & 1 ? 1 : -1;
    }
  }
  return signs;
}
