/**
 * `quantwise/linear`: products with weights that stay compressed, y = x · Wᵀ + bias.
 *
 * @example
 * import { quantize } from "quantwise";
 * import { linear, prepareLinear } from "quantwise/linear";
 * const q = quantize(weights, { quantType: "nf4", shape: [4096, 4096] });
 * const y = linear(x, q, { bias });
 * const layer = prepareLinear(q); // once; then, call after call:
 * linear(x, layer, { out });
 */

export { type LinearOptions, linear } from "./linear.ts";
export { LinearWeights, type PrepareOptions, prepareLinear } from "./weights.ts";
