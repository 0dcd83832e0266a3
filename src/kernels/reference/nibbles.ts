/** Pairs of 4-bit codes, the even element in the low nibble. */

export function packNibbles(
  buffer: ArrayBuffer,
  codesPtr: number,
  packedPtr: number,
  elementCount: number,
): void {
  const codes = new Uint8Array(buffer, codesPtr);
  const packed = new Uint8Array(buffer, packedPtr);
  for (let i = 0; i < elementCount; i += 2) {
    const low = (codes[i] as number) & 15;
    const high = i + 1 < elementCount ? (codes[i + 1] as number) & 15 : 0;
    packed[i >> 1] = low | (high << 4);
  }
}

export function unpackNibbles(
  buffer: ArrayBuffer,
  packedPtr: number,
  codesPtr: number,
  elementCount: number,
  signed: boolean,
): void {
  const packed = new Uint8Array(buffer, packedPtr);
  const codes = new Uint8Array(buffer, codesPtr);
  for (let i = 0; i < elementCount; i++) {
    const code = ((packed[i >> 1] as number) >> (i % 2 === 0 ? 0 : 4)) & 15;
    codes[i] = signed && code >= 8 ? code - 16 : code;
  }
}
