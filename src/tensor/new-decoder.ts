/** The decoder of a record's family. */

import type { FloatDtype } from "../foundation/dtype.ts";
import { schemeOf } from "../schemes/registry.ts";
import type { Decoder, Scales } from "./decoder.ts";
import { FlatDecoder, type FlatScales } from "./flat-decoder.ts";
import { GridDecoder, type GridScales } from "./grid-decoder.ts";
import type { Workspace } from "./workspace.ts";

/** @param scales a record that `checkRecord` or a reader of files has checked */
export function newDecoder(workspace: Workspace, scales: Scales, dtype: FloatDtype): Decoder {
  return scales.quantType === "llm-int8" || schemeOf(scales.quantType).family === "codebook"
    ? new FlatDecoder(workspace, scales as FlatScales, dtype)
    : new GridDecoder(workspace, scales as GridScales, dtype);
}
