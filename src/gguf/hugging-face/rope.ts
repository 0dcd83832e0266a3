/** Rotary embeddings that were stretched. */

import type { ConfigNumbers } from "./config.ts";

/**
 * What llama 3.1 divides its rotary frequencies by: f32[head dimension / 2], low frequencies by the
 * factor, high ones not at all, a ramp between.
 */
export function llama3Factors(config: ConfigNumbers): Float32Array | undefined {
  const scaling = config.ropeScaling;
  if (scaling?.kind !== "llama3") return undefined;
  const theta = config.maybe("rope_theta") ?? 10_000;
  const factor = scaling.number("factor") ?? 8;
  const low = scaling.number("low_freq_factor") ?? 1;
  const high = scaling.number("high_freq_factor") ?? 4;
  const context = scaling.number("original_max_position_embeddings") ?? 8192;
  const dimension = config.headDimension;
  return Float32Array.from({ length: dimension / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / dimension);
    if (wavelength < context / high) return 1;
    if (wavelength > context / low) return factor;
    const smooth = (context / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
