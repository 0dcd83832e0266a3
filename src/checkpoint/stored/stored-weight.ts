/** One weight of a quantized checkpoint: where its parts are, and how they are read. */

import type { FloatDtype } from "../../foundation/dtype.ts";
import type { Scales } from "../../tensor/decoder.ts";
import type { Coding } from "../../tensor/options.ts";
import type { LayoutName } from "../layouts/layout.ts";
import type { Located } from "./finder.ts";

export interface StoredWeight {
  /** The weight's own name: "P.weight". */
  readonly name: string;
  /** dtype before quantization, or the best guess where the file does not say. */
  readonly dtype: FloatDtype;
  /** Shape as its module sees it. */
  readonly shape: readonly number[];
  readonly coding: Coding;
  readonly layout: LayoutName;
  readonly codes: Located;
  /** Everything else that is stored for it. */
  readonly parts: readonly Located[];
  /** compressed-tensors: codes are stored without a sign, and rows begin at whole words. */
  readonly packedRows?: { readonly rowBytes: number };
  /** Reads the parts: one tensor's scales are held in memory. */
  scales(): Promise<Scales>;
}
