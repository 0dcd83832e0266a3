/** Where the package's exports lead, for places that resolve no bare names. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** `text` with `"quantwise/…"` replaced by paths below `base`, as `conditions` choose them. */
export function withPaths(text, packageFolder, base, conditions) {
  const { exports } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
  return text.replace(/"quantwise(\/[\w.]+)?"/g, (_, door = "") => {
    const target = exports[`.${door}`];
    const path =
      typeof target === "string"
        ? target
        : Object.entries(target).find(([name]) => conditions.includes(name))[1];
    return JSON.stringify(base + path.slice(1));
  });
}
