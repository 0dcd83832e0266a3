// A whole checkpoint without a file system, with the parts that the command is made of: open, plan,
// convert, and read the result back.
// node examples/checkpoint-in-memory.mjs

import { readFile } from "node:fs/promises";
import {
  convertFiles,
  identityOf,
  newWorkspace,
  outputFiles,
  Plan,
  parseModelConfig,
  quantizedConfigText,
} from "quantwise/checkpoint";
import { openSafetensors } from "quantwise/safetensors";

const folder = new URL("sample/", import.meta.url);
const bytes = await readFile(new URL("model.safetensors", folder));
const config = parseModelConfig(await readFile(new URL("config.json", folder)), "config.json");

const file = await openSafetensors(bytesSource(bytes));
const plan = new Plan([{ name: "sample", table: file.table }], identityOf(config), {
  quantType: "nf4",
  exclude: ["**.mlp.**"],
});
const sinks = new Map();
const create = async (name) => {
  const sink = memorySink(name);
  sinks.set(name, sink);
  return sink;
};
const options = { coding: plan.coding };
const written = await convertFiles(
  plan,
  [file],
  outputFiles(plan),
  create,
  newWorkspace(),
  options,
);
for (const { name, bytes: size } of written) {
  const { table } = await openSafetensors(bytesSource(sinks.get(name).bytes()));
  console.log(`${name}: ${bytes.byteLength} -> ${size} bytes, ${table.length} tensors`);
}
console.log(quantizedConfigText(plan, config).match(/"quant_method": "[a-z]+"/)[0]);

/** Anything with a size and ranges can be read: a Blob, an object store, a file. */
function bytesSource(data) {
  return {
    name: "memory",
    size: data.byteLength,
    async read(target, position) {
      target.set(data.subarray(position, position + target.byteLength));
    },
  };
}

/** Anything that can be written at a position gets the reference writer's layout. */
function memorySink(name) {
  let data = new Uint8Array(1 << 20);
  return {
    name,
    bytes: () => data,
    async write(piece, position) {
      data.set(piece, position);
    },
    async read(target, position) {
      target.set(data.subarray(position, position + target.byteLength));
    },
    async truncate(size) {
      data = data.slice(0, size);
    },
    async close() {},
  };
}
