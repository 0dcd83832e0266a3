/** A page that runs the suite itself. */

import { report } from "./report.mjs";

// Dynamic, so that a module that does not load is told.
report(async (expected) => {
  const { result } = await import(expected.entry ?? "./entry.mjs");
  const found = await result(expected);
  return { ...found, isIsolated: globalThis.crossOriginIsolated };
});
