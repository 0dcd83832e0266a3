/**
 * Stored names → module names of the loaded model. Skip entries are compared with the latter, and
 * they differ: a file saved from the base model lacks the head class's prefix, and for some types
 * the loader renames (LLaVA's "language_model.model." is "model.language_model." in memory).
 */
import type { Architecture } from "./lookup.ts";
import { patternSet } from "./patterns.ts";

type Rule = readonly [disk: readonly string[], memory: readonly string[]];

/** All names a stored module may have in transformers 4 and 5; one where they agree. */
export function memoryNamer(found: Architecture | undefined): (path: string) => readonly string[] {
  if (found?.suffix === undefined) return (path) => [path];
  const { row, suffix } = found;
  const { prefix } = row;
  const isBaseClass = (row.base ?? "").split(" ").includes(suffix);
  const inBase = patternSet(row.linear, row.float, row.forced);
  const rules = {
    v4: rulesFor(row.renames, suffix, "v4"),
    v5: rulesFor(row.renames, suffix, "v5"),
  };

  const inLoader = (path: string, version: readonly Rule[]): string => {
    const stored = prefix !== undefined && path.startsWith(`${prefix}.`);
    const core = stored ? path.slice(prefix.length + 1) : path;
    const renamed = rename(path, version) ?? rename(core, version) ?? core;
    if (prefix === undefined || renamed.startsWith(`${prefix}.`) || isBaseClass) return renamed;
    return stored || inBase.has(path) ? `${prefix}.${renamed}` : renamed;
  };
  return (path) => {
    const names = new Set([inLoader(path, rules.v4), inLoader(path, rules.v5)]);
    // transformers 5 dropped this level from the vision towers.
    for (const name of [...names]) {
      names.add(name.replace("vision_tower.vision_model.", "vision_tower."));
    }
    return [...names];
  };
}

function rulesFor(renames: string | undefined, suffix: string, version: string): Rule[] {
  const rules: Rule[] = [];
  for (const part of (renames ?? "").split(";")) {
    const [versions = "", classes = "", words = ""] = part.split("=");
    if (!versions.split(" ").includes(version) || !classes.split(" ").includes(suffix)) continue;
    for (const word of words.split(" ")) {
      const [disk = "", memory = ""] = word.split(">");
      rules.push([disk.split("."), memory.split(".")]);
    }
  }
  return rules.sort((a, b) => b[0].length - a[0].length);
}

/** Applies the longest rule whose segments begin the path; `*` carries an index over. */
function rename(path: string, rules: readonly Rule[]): string | undefined {
  if (rules.length === 0) return undefined;
  const segments = path.split(".");
  for (const [disk, memory] of rules) {
    const indices: string[] = [];
    const matches = disk.every((wanted, i) => {
      const got = segments[i];
      if (wanted !== "*") return wanted === got;
      if (got === undefined || !/^\d+$/.test(got)) return false;
      indices.push(got);
      return true;
    });
    if (!matches) continue;
    const begin = memory.map((segment) => (segment === "*" ? (indices.shift() ?? "*") : segment));
    return [...begin, ...segments.slice(disk.length)].join(".");
  }
  return undefined;
}
