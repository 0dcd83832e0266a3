/** Every layout by name, and which one a quant type gets. */

import { ArgumentError } from "../../foundation/errors.ts";
import { QUANT_TYPES, type QuantType } from "../../schemes/registry.ts";
import { BITSANDBYTES_TYPES, bitsandbytes } from "./bitsandbytes.ts";
import { COMPRESSED_TENSORS_TYPES, compressedTensors } from "./compressed-tensors.ts";
import type { Layout, LayoutName } from "./layout.ts";
import { native } from "./native.ts";

export const LAYOUTS: Readonly<Record<LayoutName, Layout>> = {
  bitsandbytes,
  "compressed-tensors": compressedTensors,
  native,
};

export const LAYOUT_NAMES = Object.keys(LAYOUTS) as readonly LayoutName[];

/** Quant types that a layout can hold. */
const HOLDS: Readonly<Record<LayoutName, readonly QuantType[]>> = {
  bitsandbytes: BITSANDBYTES_TYPES,
  "compressed-tensors": COMPRESSED_TENSORS_TYPES,
  native: QUANT_TYPES,
};

/**
 * The layout of a quant type: the one that was asked for, or bitsandbytes' where it has a form, or
 * our own.
 *
 * @throws ArgumentError when the layout that was asked for cannot hold it
 */
export function layoutOf(quantType: QuantType, format: LayoutName | undefined): Layout {
  if (format === undefined) {
    return LAYOUTS[holds("bitsandbytes", quantType) ? "bitsandbytes" : "native"];
  }
  if (!holds(format, quantType)) {
    const able = LAYOUT_NAMES.filter((name) => holds(name, quantType));
    const names = able.map((name) => `"${name}"`).join(" or ");
    throw new ArgumentError("format", `${names} for ${quantType}`, format);
  }
  return LAYOUTS[format];
}

function holds(format: LayoutName, quantType: QuantType): boolean {
  return HOLDS[format].includes(quantType);
}
