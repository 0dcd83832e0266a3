/** What Node writes of the sample: one file, and a directory in shards. Prints their sha256. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { quantizeModel } from "quantwise/node";
import { sha256 } from "./sha256.mjs";

const [input, output] = process.argv.slice(2);
const hashOf = (path) => sha256(readFileSync(path));
const file = join(output, "x.safetensors");
const directory = join(output, "directory");
await quantizeModel(input, file);
await quantizeModel(input, directory, { maxShardSize: 60_000 });
const names = readdirSync(directory).sort();
const hashes = Object.fromEntries(names.map((name) => [name, hashOf(join(directory, name))]));
console.log(JSON.stringify({ file: hashOf(file), directory: hashes }));
