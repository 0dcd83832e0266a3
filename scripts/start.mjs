// `npm start`: runs the main job on the sample checkpoint that ships in the repository, as a user
// would type it, and tells what came out.

import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const input = "examples/sample";
const output = "build/sample-nf4";
const words = ["quantwise", "quantize", input, "-o", output, "--overwrite"];

console.log(`\n$ npx ${words.join(" ")}\n`);
execFileSync(process.execPath, ["build/js/cli.js", ...words.slice(1)], { stdio: "inherit" });

console.log(
  `\n${output}/ holds a checkpoint that transformers + bitsandbytes load (README: who else):`,
);
for (const name of readdirSync(output)) {
  console.log(`  ${name} (${statSync(join(output, name)).size} bytes)`);
}
console.log(
  "\nYour own model: npx quantwise quantize <checkpoint directory> -o <output directory>",
);
