/**
 * `quantwise/node`: a model quantized from file to file, and the package through `require` where the
 * runtime has it. The arguments: input, output, sha256 or "?" for the first, who tells it.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { quantizeModel } from "quantwise/node";
import { sha256 } from "./sha256.mjs";

const [input, output, expected, required] = process.argv.slice(2);
const checks = [];
const result = await quantizeModel(input, output, { quantType: "nf4" });
const sha = sha256(readFileSync(output));
const isSame = expected === "?" || sha === expected;
checks.push({
  name: "files: quantizeModel",
  problem: isSame ? "" : `sha256 ${sha}, not ${expected}`,
});
if (required === "require") {
  const { quantize } = createRequire(import.meta.url)("quantwise");
  const isFunction = typeof quantize === "function";
  checks.push({ name: "files: require", problem: isFunction ? "" : "no quantize" });
}
const kernels = result.kernels ?? { name: "?", reason: "" };
console.log(`QUANTWISE RESULT ${JSON.stringify({ kernels, checks, sha })}`);
