/** Browsers' file handles as the sinks of whole models, in pages and in Workers. */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { browserVersion } from "../lib/browsers.mjs";
import { withPaths } from "../lib/doors.mjs";
import { must } from "../lib/processes.mjs";
import { node, root } from "../lib/project.mjs";
import { failedRow, rowOf } from "../lib/rows.mjs";

/** Debian's WebKit has the file system, but does not show it to pages unless told to. */
export const WEBKIT_FILES =
  "--features=AccessHandle,FileSystem,FileSystemWritableStream,StorageAPI,StorageAPIEstimate";
/** As Safari was before version 26. */
const OLD = ["createWritable"];
const ONLY_WORKERS = "only in Workers";

/** Firefox's own limit, in KiB. */
const QUOTA = {
  flags: ["dom.quotaManager.temporaryStorage.fixedLimit=2048"],
  room: 2048 << 10,
};

const ROWS = [
  { name: "chromium", scripts: ["page", "worker"] },
  { name: "chromium, as older ones", scripts: ["worker"], hidden: OLD },
  { name: "chromium, as older ones", scripts: ["page"], hidden: OLD, refusal: ONLY_WORKERS },
  { name: "firefox", scripts: ["page", "worker"] },
  { name: "firefox, as older ones", scripts: ["worker"], hidden: OLD },
  { name: "firefox, a full quota", scripts: ["page", "worker"], ...QUOTA },
  { name: "firefox, as older ones, a full quota", scripts: ["worker"], hidden: OLD, ...QUOTA },
  { name: "webkit", scripts: ["page", "worker"], flags: [WEBKIT_FILES] },
  { name: "webkit, as it comes", scripts: ["page", "worker"], refusal: "no file system" },
];

function row({ name, flags = [], ...expected }, place) {
  const browser = /^\w+/.exec(name)[0];
  return {
    name: `${name}: files of a ${place}`,
    version: () => browserVersion(browser),
    run: async (context) => {
      const { project, package: quantwise, browsers } = context;
      const rewrite = (file, text) =>
        file.startsWith("suite/") ? withPaths(text, quantwise, BASE, ["browser", "default"]) : text;
      const script = place === "page" ? "suite/page.mjs" : "suite/page-with-worker.mjs";
      const found = await browsers.visit(
        browser,
        {
          folder: project,
          script,
          expected: { ...expected, ...(await ofNode(context)), entry: "./handles.mjs" },
          rewrite,
        },
        flags,
      );
      return found.problem === undefined ? rowOf(found) : failedRow(found.problem);
    },
  };
}

const BASE = "../node_modules/quantwise";

/** What Node 20 writes of the sample, asked once. */
export async function ofNode({ suite, project, shared }) {
  if (shared.handles === undefined) {
    const sample = join(suite, "sample");
    cpSync(join(root, "examples/sample"), sample, { recursive: true });
    const script = join(suite, "handles-node.mjs");
    const { stdout } = await must(node(20), [script, sample, join(project, "handles")]);
    shared.handles = JSON.parse(stdout);
  }
  return shared.handles;
}

export const handles = ROWS.flatMap(({ scripts, ...rest }) =>
  scripts.map((place) => row(rest, place)),
);
