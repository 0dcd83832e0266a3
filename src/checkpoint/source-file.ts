/** What a plan must know of a file: the header's tensors, not where their bytes are. */

import type { TensorTable } from "../formats/safetensors/index.ts";

export interface SourceFile {
  /** How messages call it. */
  readonly name: string;
  readonly table: TensorTable;
}
