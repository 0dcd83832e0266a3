/** Drives an encoder over weights in memory. */

import { floatBytes } from "../foundation/dtype.ts";
import type { Encoded, Encoder } from "./encoder.ts";
import type { FloatBytes } from "./float-array.ts";

/** @param codes out: the bytes of all codes */
export function encodeAll(encoder: Encoder, input: FloatBytes, codes: Uint8Array): Encoded {
  const itemBytes = floatBytes(input.dtype);
  const eachTile = (visit: (count: number) => void) => {
    for (let start = 0; start < input.elementCount; ) {
      const count = encoder.tileAt(start);
      const tile = input.bytes.subarray(start * itemBytes, (start + count) * itemBytes);
      encoder.input(0, count).set(tile);
      visit(count);
      start += count;
    }
  };
  if (encoder.observes) eachTile((count) => encoder.observe(0, count));
  let written = 0;
  eachTile((count) => {
    const encoded = encoder.encode(0, count);
    codes.set(encoded, written);
    written += encoded.byteLength;
  });
  return encoder.finish();
}
