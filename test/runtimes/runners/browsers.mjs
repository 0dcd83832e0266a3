/** Browsers: in a page and in a Worker, isolated or not, under content security policies. */

import { BROWSERS, browserVersion } from "../lib/browsers.mjs";
import { withPaths } from "../lib/doors.mjs";
import { BASELINE, INTERPRETED, REFERENCE, RELAXED } from "../lib/expected.mjs";
import { failedRow, rowOf } from "../lib/rows.mjs";

const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};
const STRICT = "default-src 'none'; connect-src 'self'; worker-src 'self'; script-src 'self'";
const policy = (text) => ({ "content-security-policy": text });

const SETTINGS = [
  { words: "", headers: {} },
  { words: ", isolated", headers: ISOLATED, isIsolated: true },
  { words: ", CSP with wasm", headers: policy(`${STRICT} 'wasm-unsafe-eval'`) },
  { words: ", CSP without", headers: policy(STRICT), expected: REFERENCE },
];

/** Threads need nothing of that; shared memory needs isolation. */
const THREADS = [
  { words: " threads", headers: {} },
  { words: " threads, isolated", headers: ISOLATED, isIsolated: true },
  { words: " threads, CSP", headers: policy(`${STRICT} 'wasm-unsafe-eval'`) },
];

/** Where a policy does not forbid it. */
const USUAL = { chromium: RELAXED, firefox: RELAXED, webkit: BASELINE };

/** Where the browser has no choice but the reference. */
const WITHOUT = [
  {
    name: "chromium page, without WebAssembly",
    browser: "chromium",
    flags: ["--js-flags=--jitless"],
    expected: INTERPRETED,
  },
];

function row(
  name,
  browser,
  script,
  { headers, expected = USUAL[browser], isIsolated = false, flags = [], entry },
) {
  return {
    name,
    version: () => browserVersion(browser),
    run: async ({ project, package: quantwise, browsers }) => {
      const rewrite = (file, text) =>
        file.startsWith("suite/") ? withPaths(text, quantwise, BASE, ["browser", "default"]) : text;
      const page = { folder: project, script: `suite/${script}`, expected, headers, rewrite };
      if (entry !== undefined) {
        // WebKitGTK ships without shared memory.
        page.expected = { entry, hasSharedMemory: isIsolated && browser !== "webkit" };
      }
      const found = await browsers.visit(browser, page, flags);
      if (found.problem !== undefined) return failedRow(found.problem);
      const checks = [...found.checks];
      const problem = `crossOriginIsolated is ${found.isIsolated}`;
      checks.push({ name: "isolation", problem: found.isIsolated === isIsolated ? "" : problem });
      return rowOf({ ...found, checks });
    },
  };
}

/** From suite/ to the package. */
const BASE = "../node_modules/quantwise";

export const browsers = [
  ...Object.keys(BROWSERS).flatMap((browser) =>
    SETTINGS.flatMap(({ words, ...settings }) => [
      row(`${browser} page${words}`, browser, "page.mjs", settings),
      row(`${browser} worker${words}`, browser, "page-with-worker.mjs", settings),
    ]),
  ),
  ...Object.keys(BROWSERS).flatMap((browser) =>
    THREADS.map(({ words, ...settings }) =>
      row(`${browser}${words}`, browser, "page.mjs", { ...settings, entry: "./threads-entry.mjs" }),
    ),
  ),
  ...WITHOUT.map(({ name, browser, ...settings }) => row(name, browser, "page.mjs", settings)),
];
