/** Sets of module-path patterns of the generated table. */

export interface PatternSet {
  has(path: string): boolean;
  /** The patterns without an index, which are therefore paths: "lm_head". */
  readonly paths: readonly string[];
}

/** Expands `a.{b,c} d` and matches whole-segment suffixes in which digits stand for `*`. */
export function patternSet(...sources: readonly (string | undefined)[]): PatternSet {
  const patterns = new Set<string>();
  for (const source of sources) {
    for (const word of (source ?? "").split(" ")) {
      const brace = word.indexOf("{");
      if (brace === -1) {
        if (word !== "") patterns.add(word);
        continue;
      }
      for (const leaf of word.slice(brace + 1, -1).split(","))
        patterns.add(word.slice(0, brace) + leaf);
    }
  }
  return {
    has: (path) => endsInAny(wildcards(path), patterns),
    paths: [...patterns].filter((pattern) => !pattern.includes("*")),
  };
}

/** "model.layers.12.mlp" → "model.layers.*.mlp" */
export function wildcards(path: string): string {
  return path.replace(/(^|\.)\d+(?=\.|$)/g, "$1*");
}

function endsInAny(path: string, patterns: ReadonlySet<string>): boolean {
  for (let at = 0; ; ) {
    if (patterns.has(path.slice(at))) return true;
    const dot = path.indexOf(".", at);
    if (dot === -1) return false;
    at = dot + 1;
  }
}
