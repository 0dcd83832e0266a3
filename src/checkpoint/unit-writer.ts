/** Where the bytes of one unit go. */

import type { FinalParts } from "./layouts/layout.ts";

export interface UnitWriter {
  /** Room for the JSON text, which is padded to it; 0 takes the text as it is. */
  readonly quantStateBytes: number;
  /**
   * The next bytes of the codes (or of a copied tensor), in order. They may be a view of kernel
   * memory: it is free again when the promise settles.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** The other parts. Nothing for a copied tensor. */
  finish(parts: FinalParts): Promise<void>;
}
