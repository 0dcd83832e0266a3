/**
 * config.json's `llm_int8_skip_modules`: null where the loaders' own rules describe the file, else
 * a list that was proven against every known matcher.
 */
import { PlanError, quoted } from "../../foundation/errors.ts";
import type { ModelIdentity } from "./identity.ts";
import { type Architecture, architectureOf } from "./lookup.ts";
import { isPlainEntry, type ModuleHits, ModuleIndex, ModuleScan } from "./matchers.ts";
import { memoryNamer } from "./memory-names.ts";
import { type PatternSet, patternSet } from "./patterns.ts";

/**
 * @param quantized module paths that are quantized ("model.layers.0.mlp.up_proj")
 * @param kept module paths with a rank-2 float weight
 * @returns null only if v4 and v5 both leave exactly the kept Linears in float by themselves;
 *   else full paths of modules (or of a numbered list that is float as a whole, such as
 *   "model.layers.0.mlp.experts"), the output embedding included even if it is tied or absent
 * @throws PlanError if no list can describe the file
 */
export function skipModules(
  identity: ModelIdentity,
  quantized: readonly string[],
  kept: readonly string[],
): readonly string[] | null {
  const found = architectureOf(identity);
  const sets = found === undefined ? undefined : patternsOf(found);
  if (sets !== undefined) refuseForced(quantized, sets.forced);
  if (found !== undefined && sets !== undefined && nullDescribes(found, sets, quantized, kept)) {
    return null;
  }
  const namesOf = memoryNamer(found);
  const isLinear = (path: string): boolean => sets === undefined || sets.linear.has(path);
  const targets = [...new Set(quantized.flatMap(namesOf))];
  const floats = [...new Set(kept.filter(isLinear).flatMap(namesOf))];
  const index = floats.length > FEW ? new ModuleIndex(targets) : new ModuleScan(targets);
  const entries = new Set(collapse(floats, index));
  for (const name of headsOf(found).flatMap(namesOf)) {
    if (!targets.some((path) => path === name || path.endsWith(`.${name}`))) entries.add(name);
  }
  for (const entry of entries) prove(entry, index);
  // No transformers module has these names; where one would be hit, vLLM's hint is left out.
  for (const name of fusedNames(floats)) {
    if (isPlainEntry(name) && index.hitBy(name) === undefined) entries.add(name);
  }
  return [...entries].sort();
}

/**
 * For loaders that compare whole names: the modules that stay in float, as they are stored and as the
 * loaded model calls them, and the heads that a file may lack because they are tied.
 */
export function floatModules(
  identity: ModelIdentity,
  quantized: readonly string[],
  kept: readonly string[],
): readonly string[] {
  const namesOf = moduleNames(identity);
  const heads = ["lm_head", ...headsOf(architectureOf(identity))];
  const names = new Set([...kept, ...heads].flatMap(namesOf));
  for (const name of quantized.flatMap(namesOf)) names.delete(name);
  return [...names];
}

/** All names of a stored module: its own, and those that the loaded model may have for it. */
export function moduleNames(identity: ModelIdentity): (path: string) => readonly string[] {
  const namesOf = memoryNamer(architectureOf(identity));
  return (path) => [...new Set([path, ...namesOf(path)])];
}

/** Entries up to which looking at every module is cheaper than an index of them. */
const FEW = 16;

/** Layers that vLLM fuses into one, whose name it then looks for in the list. */
const FUSED: readonly (readonly [string, readonly string[]])[] = [
  ["qkv_proj", ["q_proj", "k_proj", "v_proj"]],
  ["qkv_proj", ["query", "key", "value"]],
  ["gate_up_proj", ["gate_proj", "up_proj"]],
];

/** Names of vLLM's fused layers that are float as a whole. */
function fusedNames(floats: readonly string[]): string[] {
  const paths = new Set(floats);
  return floats.flatMap((path) =>
    FUSED.filter(([, [first]]) => path.endsWith(`.${first}`)).flatMap(([fused, parts]) => {
      const parent = path.slice(0, path.lastIndexOf(".") + 1);
      return parts.every((part) => paths.has(parent + part)) ? [parent + fused] : [];
    }),
  );
}

interface Patterns {
  readonly linear: PatternSet;
  readonly forced: PatternSet;
}

function patternsOf({ row }: Architecture): Patterns {
  return {
    linear: patternSet(row.linear, row.heads, row.float, row.forced),
    forced: patternSet(row.forced),
  };
}

/** `_keep_in_fp32_modules` is added to every list: such a module is never replaced. */
function refuseForced(quantized: readonly string[], forced: PatternSet): void {
  const path = quantized.find((candidate) => forced.has(candidate));
  if (path === undefined) return;
  throw new PlanError(
    `${quoted(path)} cannot be quantized: transformers always keeps this module of the model in ` +
      "float32 (_keep_in_fp32_modules); copy it instead",
  );
}

function nullDescribes(
  { suffix, keep, agreed }: Architecture,
  { linear, forced }: Patterns,
  quantized: readonly string[],
  kept: readonly string[],
): boolean {
  if (!agreed || suffix === undefined) return false;
  if (quantized.some((path) => keep.has(path))) return false;
  return kept.every((path) => !linear.has(path) || keep.has(path) || forced.has(path));
}

/** Linears that the loaded model has though the file may not: the output embedding, mostly. */
function headsOf(found: Architecture | undefined): readonly string[] {
  return found?.suffix === undefined ? ["lm_head"] : found.keep.paths;
}

/** Names a numbered list ("….experts") instead of its members where nothing in it is quantized. */
function collapse(floats: readonly string[], index: ModuleHits): string[] {
  const usable = new Map<string, boolean>();
  const isUsable = (list: string): boolean => {
    let answer = usable.get(list);
    if (answer === undefined) {
      answer = !index.holds(list) && index.hitBy(list) === undefined;
      usable.set(list, answer);
    }
    return answer;
  };
  return floats.map((path) => {
    const lists = parentsOf(path).filter((parent) =>
      /^\d+(\.|$)/.test(path.slice(parent.length + 1)),
    );
    return lists.find(isUsable) ?? path;
  });
}

/** "a.b.c" → ["a", "a.b"] */
function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let dot = path.indexOf("."); dot !== -1; dot = path.indexOf(".", dot + 1)) {
    parents.push(path.slice(0, dot));
  }
  return parents;
}

/** A full path, or a parent of it, is covered by every matcher; what is left is to hit no other. */
function prove(entry: string, index: ModuleHits): void {
  if (!isPlainEntry(entry)) {
    throw new PlanError(
      `${quoted(entry)} stays in float but cannot be listed in llm_int8_skip_modules: ` +
        "loaders read entries as regular expressions, and its name has special characters",
    );
  }
  const hit = index.hitBy(entry);
  if (hit === undefined) return;
  throw new PlanError(
    `llm_int8_skip_modules cannot keep ${quoted(entry)} in float: loaders would match that entry ` +
      `with ${quoted(hit)} too, which is quantized; quantize or copy both`,
  );
}
