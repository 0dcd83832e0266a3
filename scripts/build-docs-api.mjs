// Writes the API's documentation into docs/api, which git ignores: `npm run docs:api`. typedoc comes
// with the suites of test/runtimes (`npm ci --prefix test/runtimes`), so that the root install stays
// small.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const TYPEDOC = "test/runtimes/node_modules/typedoc/bin/typedoc";
if (!existsSync(TYPEDOC)) {
  console.error("typedoc is missing: npm ci --prefix test/runtimes");
  process.exit(1);
}

// Every door that has types; its declarations are named after its source.
const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
const entries = Object.values(exports)
  .map(({ types }) => types)
  .filter((path) => path !== undefined)
  .map((path) => path.replace("./build/types/", "src/").replace(/\.d\.ts$/, ".ts"));

const { status } = spawnSync(
  process.execPath,
  [
    TYPEDOC,
    ...entries.flatMap((entry) => ["--entryPoints", entry]),
    ...["--tsconfig", "tsconfig.build.json", "--name", "quantwise", "--readme", "none"],
    // There is no address of the sources to link to, and internal types are not documented.
    ...["--disableSources", "--validation.notExported", "false"],
    ...["--validation.invalidLink", "false"],
    ...(process.argv.includes("--check") ? ["--emit", "none"] : ["--out", "docs/api"]),
  ],
  { stdio: "inherit" },
);
process.exit(status ?? 1);
