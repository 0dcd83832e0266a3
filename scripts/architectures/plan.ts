/** One line of JSON in, one out: what src/ would quantize and skip. Driven by make_table.py check. */
import { createInterface } from "node:readline";
import { layerRules, skipModules } from "../../src/checkpoint/architectures/index.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const [identity, tensors] = JSON.parse(line);
  const rules = layerRules(identity);
  const quantized: string[] = [];
  const kept: string[] = [];
  for (const [name, rank] of tensors) {
    if (rules.isDefault(name, rank)) quantized.push(name);
    else if (rank === 2 && name.endsWith(".weight")) kept.push(name);
  }
  const modules = (names: string[]) => names.map((name) => name.slice(0, -".weight".length));
  try {
    const skip = skipModules(identity, modules(quantized), modules(kept));
    console.log(JSON.stringify({ quantized, skip }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
