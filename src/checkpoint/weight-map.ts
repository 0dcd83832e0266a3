/** Which tensor is in which output file, in the order of an index, without holding all names. */

import { compareCodePoints } from "../formats/json/index.ts";
import type { ConversionPlan } from "./conversion-plan.ts";
import type { OutputFile } from "./output-plan.ts";

/** Name and file of every stored tensor, ascending by name. */
export function weightMapEntries(
  plan: ConversionPlan,
  outputs: readonly OutputFile[],
): Iterable<readonly [string, string]> {
  const fileOf = new Int32Array(plan.length);
  for (const [file, { units }] of outputs.entries()) {
    for (const unit of units) fileOf[unit] = file;
  }
  const order = unitsByName(plan);
  const entries = () => entriesInOrder(plan, outputs, fileOf, order);
  if (isAscending(entries())) return { [Symbol.iterator]: entries };
  // Names that lie between another unit's (`P.SCB`, `P.bias`, `P.weight`): all must be sorted.
  return [...entries()].sort(([a], [b]) => compareCodePoints(a, b));
}

function unitsByName(plan: ConversionPlan): Uint32Array {
  const names: string[] = [];
  for (const { entry } of plan.units()) names.push(entry.name);
  const order = Uint32Array.from(names.keys());
  return order.sort((a, b) => compareCodePoints(names[a] as string, names[b] as string));
}

function* entriesInOrder(
  plan: ConversionPlan,
  outputs: readonly OutputFile[],
  fileOf: Int32Array,
  order: Uint32Array,
): Generator<readonly [string, string]> {
  for (const unit of order) {
    const file = (outputs[fileOf[unit] as number] as OutputFile).name;
    const names = plan.outputs(plan.unit(unit), "typical").map(({ name }) => name);
    for (const name of names.sort(compareCodePoints)) yield [name, file];
  }
}

function isAscending(entries: Iterable<readonly [string, string]>): boolean {
  let last = "";
  for (const [name] of entries) {
    if (compareCodePoints(last, name) > 0) return false;
    last = name;
  }
  return true;
}
