/** examples/browser, built by Vite from the packed package, used in each browser. */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { browserVersion } from "../lib/browsers.mjs";
import { must } from "../lib/processes.mjs";
import { program, root } from "../lib/project.mjs";
import { failedRow, rowOf } from "../lib/rows.mjs";
import { ofNode, WEBKIT_FILES } from "./handles.mjs";

function row(name, browser, { flags = [], hasFiles = true } = {}) {
  return {
    name: `examples/browser in ${name}`,
    version: () => browserVersion(browser),
    run: async (context) => {
      const { project, browsers } = context;
      await built(context);
      const { file: sha } = await ofNode(context);
      const page = { folder: project, script: "suite/example-page.mjs" };
      const expected = { sha, hasFiles };
      const found = await browsers.visit(browser, { ...page, expected, seconds: 90 }, flags);
      return found.problem === undefined ? rowOf(found) : failedRow(found.problem);
    },
  };
}

/** Once for all browsers. */
async function built({ project, shared }) {
  if (shared.examplePage !== undefined) return;
  const examples = join(project, "examples");
  for (const name of ["browser", "sample"]) {
    const filter = (path) => !/node_modules|dist/.test(path.slice(root.length));
    cpSync(join(root, "examples", name), join(examples, name), { recursive: true, filter });
  }
  const out = join(project, "example");
  await must(program(".bin/vite"), ["build", "--outDir", out, "--emptyOutDir"], {
    cwd: join(examples, "browser"),
  });
  shared.examplePage = out;
}

export const examplesBrowser = [
  row("chromium", "chromium"),
  row("firefox", "firefox"),
  row("webkit", "webkit", { flags: [WEBKIT_FILES] }),
  row("webkit, as it comes", "webkit", { hasFiles: false }),
];
