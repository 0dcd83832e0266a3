/**
 * How the loaders decide that an entry of `llm_int8_skip_modules` names a module: exact ports, and
 * an index that answers "which of these modules would this entry hit?" without scanning them all.
 */

/**
 * transformers 4. Source: transformers 4.57.6 `integrations/bitsandbytes.py`,
 * `_replace_with_bnb_linear`: `name in modules_to_not_convert`, `key + "." in path`, `key == path`.
 */
export function v4Skips(entry: string, path: string): boolean {
  return (
    path.slice(path.lastIndexOf(".") + 1) === entry || path === entry || path.includes(`${entry}.`)
  );
}

/**
 * transformers 5.0 to 5.19, and later the next one; this one hits more. Source: transformers 5.0.0
 * `quantizers/quantizers_utils.py`, `should_convert_module`: `re.match(f"{key}\\.", path)`,
 * `re.match(key, path)`, `path.endswith(key)`. The entry is a regular expression: `.` is any
 * character. Entries with other special characters are refused before this (see `isPlainEntry`).
 */
export function v5EarlySkips(entry: string, path: string): boolean {
  return startsLike(entry, path) || path.endsWith(entry);
}

/** transformers 5.21.1 to 5.23.0, same function: the prefix must end at a module boundary. */
export function v5Skips(entry: string, path: string): boolean {
  const boundary =
    path.length === entry.length || path[entry.length] === "." || path[entry.length - 1] === ".";
  return (startsLike(entry, path) && boundary) || path.endsWith(entry);
}

/** Whether the only special character of the entry, read as a Python regular expression, is `.` */
export function isPlainEntry(entry: string): boolean {
  return entry !== "" && !/[\\^$*+?{}[\]|()\n]/.test(entry);
}

function startsLike(entry: string, path: string): boolean {
  if (path.length < entry.length) return false;
  for (let i = 0; i < entry.length; i++) {
    if (entry[i] === "." ? path[i] === "\n" : entry[i] !== path[i]) return false;
  }
  return true;
}

/** Answers what an entry would hit among some modules. */
export interface ModuleHits {
  /** Something the entry would hit in v4, v5 early or v5: a module, or the parent of one. */
  hitBy(entry: string): string | undefined;
  /** Whether some module is below `parent`. */
  holds(parent: string): boolean;
}

/** Looks at every module for every entry: for a few entries, it needs no memory of its own. */
export class ModuleScan implements ModuleHits {
  readonly #paths: readonly string[];

  constructor(modules: readonly string[]) {
    this.#paths = modules;
  }

  hitBy(entry: string): string | undefined {
    return this.#paths.find((path) => v4Skips(entry, path) || v5EarlySkips(entry, path));
  }

  holds(parent: string): boolean {
    return this.#paths.some((path) => path.startsWith(`${parent}.`));
  }
}

/** Modules, indexed so that one entry is checked against all of them in logarithmic time. */
export class ModuleIndex implements ModuleHits {
  readonly #paths: readonly string[];
  readonly #reversed: readonly string[];
  readonly #reversedParents: readonly string[];
  readonly #leaves: ReadonlyMap<string, string>;

  constructor(modules: Iterable<string>) {
    this.#paths = [...new Set(modules)].sort(byCodeUnit);
    this.#reversed = this.#paths.map(reverse).sort(byCodeUnit);
    const parents = new Set<string>();
    const leaves = new Map<string, string>();
    for (const path of this.#paths) {
      leaves.set(path.slice(path.lastIndexOf(".") + 1), path);
      for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
        const parent = path.slice(0, dot);
        if (parents.has(parent)) break;
        parents.add(parent);
      }
    }
    this.#reversedParents = [...parents].map(reverse).sort(byCodeUnit);
    this.#leaves = leaves;
  }

  holds(parent: string): boolean {
    return startingWith(this.#paths, `${parent}.`) !== undefined;
  }

  hitBy(entry: string): string | undefined {
    const leaf = this.#leaves.get(entry);
    if (leaf !== undefined) return leaf;
    const tail = reverse(entry);
    const ended = startingWith(this.#reversed, tail);
    if (ended !== undefined) return reverse(ended);
    // v4's `entry + "." in path`: the text before that dot is a parent that ends in the entry.
    const parent = startingWith(this.#reversedParents, tail);
    if (parent !== undefined) return `${reverse(parent)}.*`;
    return this.#startingLike(entry, 0, 0, this.#paths.length);
  }

  /** `re.match(entry, path)`: narrows the sorted range; at a `.` it tries each character there is. */
  #startingLike(entry: string, from: number, low: number, high: number): string | undefined {
    if (low >= high) return undefined;
    if (from === entry.length) return this.#paths[low];
    const dot = entry.indexOf(".", from);
    const end = dot === -1 ? entry.length : dot;
    const stem = (this.#paths[low] as string).slice(0, from) + entry.slice(from, end);
    const first = lowerBound(this.#paths, stem, low, high);
    const last = lowerBound(this.#paths, `${stem}\uffff`, first, high);
    if (dot === -1) return first < last ? this.#paths[first] : undefined;
    for (let at = first; at < last; ) {
      const path = this.#paths[at] as string;
      if (path.length <= end) {
        at++;
        continue;
      }
      const next = lowerBound(this.#paths, `${path.slice(0, end + 1)}\uffff`, at, last);
      const hit = this.#startingLike(entry, end + 1, at, next);
      if (hit !== undefined) return hit;
      at = Math.max(next, at + 1);
    }
    return undefined;
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function reverse(text: string): string {
  return text.split("").reverse().join("");
}

function startingWith(sorted: readonly string[], prefix: string): string | undefined {
  const found = sorted[lowerBound(sorted, prefix, 0, sorted.length)];
  return found?.startsWith(prefix) ? found : undefined;
}

function lowerBound(sorted: readonly string[], key: string, low: number, high: number): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
