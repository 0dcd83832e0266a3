/** Which modules were quantized and which were not: what skip lists are made of. */

import type { Plan } from "../plan.ts";
import { isFloat } from "../rules.ts";

/** Names without ".weight"; of what was kept, only float matrices. */
export function matrixModules(plan: Plan): { quantized: string[]; kept: string[] } {
  const quantized: string[] = [];
  const kept: string[] = [];
  for (const { entry, action } of plan.units()) {
    const { name, dtype, shape } = entry;
    if (!name.endsWith(".weight")) continue;
    const module = name.slice(0, -".weight".length);
    if (action !== "copy") quantized.push(module);
    else if (shape.length === 2 && isFloat(dtype)) kept.push(module);
  }
  return { quantized, kept };
}
