/** Every bad input: the exit code, what the message names, and that nothing is left behind. */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fileInOrder, opaque, referenceFile, weights } from "../checkpoint/safetensors-files.ts";
import { llamaConfig, llamaTensors, shardName, writeIndex, writeShards } from "../node/models.ts";
import { namesIn, quantwise, temporaryFolder } from "./quantwise.ts";

const UP = "model.layers.0.mlp.up_proj.weight";

/** The length, this header, and zeros. */
function fileWith(header: string | Uint8Array, dataBytes = 0): Uint8Array {
  const text = typeof header === "string" ? Buffer.from(header) : header;
  const file = new Uint8Array(8 + text.byteLength + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.byteLength), true);
  file.set(text, 8);
  return file;
}

function withLength(length: bigint): Uint8Array {
  const file = fileWith("{}", 8);
  new DataView(file.buffer).setBigUint64(0, length, true);
  return file;
}

function entry(dtype: string, shape: string, offsets: string, name = "layer.weight"): string {
  return `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
}

const good = referenceFile([weights(UP, [64, 64]), opaque("norm", "F32", [4])]);

/** Name of the problem, the file, and what the message must hold besides the file's name. */
const FILES: readonly (readonly [problem: string, file: Uint8Array, said: readonly RegExp[]])[] = [
  ["nothing at all", new Uint8Array(0), [/byte 0|0 bytes/]],
  ["half a length", new Uint8Array(4), [/4|8/]],
  ["length 0", withLength(0n), [/\b0\b/]],
  ["a length beyond the file", withLength(1000n), [/1000/]],
  ["a length beyond the limit", withLength(1n << 40n), [/1099511627776/, /536870912/]],
  ["a length beyond numbers", withLength((1n << 64n) - 1n), [/18446744073709551615|536870912/]],
  ["bad UTF-8", fileWith(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), [/UTF-8/]],
  ["bad JSON", fileWith('{"a":'), [/byte/]],
  ["an array", fileWith("[]"), [/byte/]],
  [
    "a tensor twice",
    fileWith(`{${entry("F32", "[1]", "[0,4]")},${entry("F32", "[1]", "[4,8]")}}`, 8),
    [/"layer\.weight"/, /twice|duplicate/i],
  ],
  [
    "a member twice",
    fileWith('{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}', 4),
    [/"a"/, /dtype/],
  ],
  ["NUL in a name", fileWith(`{${entry("F32", "[1]", "[0,4]", "a\0b")}}`, 4), [/NUL|u0000/]],
  ["an unknown dtype", fileWith(`{${entry("F7", "[1]", "[0,4]")}}`, 4), [/layer\.weight/, /F7/]],
  [
    "a shape that the bytes do not fit",
    fileWith(`{${entry("F32", "[3]", "[0,4]")}}`, 4),
    [/layer\.weight/, /12/, /4/],
  ],
  [
    "a product beyond numbers",
    fileWith(`{${entry("F32", "[4294967296,4294967296]", "[0,4]")}}`, 4),
    [/layer\.weight/],
  ],
  ["a negative offset", fileWith(`{${entry("F32", "[1]", "[-4,0]")}}`, 4), [/layer\.weight/, /-/]],
  [
    "a fractional offset",
    fileWith(`{${entry("F32", "[1]", "[0,4.5]")}}`, 8),
    [/layer\.weight/, /4\.5|whole|fraction/],
  ],
  ["offsets that go back", fileWith(`{${entry("F32", "[1]", "[4,0]")}}`, 4), [/layer\.weight/]],
  [
    "an overlap",
    fileWith(`{${entry("F32", "[2]", "[0,8]", "a")},${entry("F32", "[2]", "[4,12]", "b")}}`, 12),
    [/"[ab]"/, /overlap/],
  ],
  [
    "a hole",
    fileWith(`{${entry("F32", "[1]", "[0,4]", "a")},${entry("F32", "[1]", "[8,12]", "b")}}`, 12),
    [/"b"/, /4|8/],
  ],
  ["truncated data", good.subarray(0, good.byteLength - 5), [/truncated|ends|bytes/]],
  ["trailing bytes", Buffer.concat([good, Buffer.alloc(3)]), [/trailing|3/]],
  [
    "an offset beyond the file",
    fileWith(`{${entry("F32", "[8]", "[0,32]")}}`, 4),
    [/layer\.weight|truncated/],
  ],
];

async function expectRefused(
  input: string,
  fileName: string,
  said: readonly RegExp[],
  stdin?: Uint8Array,
): Promise<void> {
  const folder = temporaryFolder();
  for (const out of stdin === undefined ? ["out", "out.safetensors"] : ["out"]) {
    const args = ["quantize", input, "-o", join(folder, out)];
    const { code, stdout, stderr } = await quantwise(args, stdin === undefined ? {} : { stdin });
    expect(stderr).toContain(fileName);
    for (const pattern of said) expect(stderr).toMatch(pattern);
    // A refusal, not a crash.
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(1);
    expect(stdout.byteLength).toBe(0);
    expect(namesIn(folder)).toEqual([]);
  }
}

describe.concurrent("a bad safetensors file is refused:", () => {
  it.each(FILES)("%s", async (_, file, said) => {
    const path = join(temporaryFolder(), "bad.safetensors");
    writeFileSync(path, file);
    await expectRefused(path, "bad.safetensors", said);
  });
});

describe.concurrent("a bad stream is refused:", () => {
  const streamed = FILES.filter(([problem]) =>
    /length|JSON|twice|overlap|truncated|trailing|nothing|dtype/.test(problem),
  );

  it.each(streamed)("%s", async (problem, file, said) => {
    // A stream's size is not known beforehand.
    const about = /length beyond the file|truncated/.test(problem) ? [] : said;
    await expectRefused("-", "standard input", about, file);
  });
});

describe("names that JavaScript knows", () => {
  it("are ordinary tensors", async () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
    const tensors = names.map((name) => opaque(name, "F32", [2]));
    const path = join(temporaryFolder(), "odd.safetensors");
    writeFileSync(path, fileInOrder(tensors));
    const { code, stdout, stderr } = await quantwise(["quantize", path, "-o", "-", "--quiet"]);
    expect(stderr).toMatch(/^warning: no tensor is selected, [^\n]*\n$/);
    expect(code).toBe(0);
    for (const name of names) expect(stdout.includes(`"${name}":{`)).toBe(true);
  });
});

describe.concurrent("a bad index is refused:", () => {
  const tensors = llamaTensors({ layers: 1 });
  const shards = [tensors.slice(0, 5), tensors.slice(5)];
  const map = (change: Readonly<Record<string, string>> = {}) => ({
    ...Object.fromEntries(
      shards.flatMap((shard, i) => shard.map(({ name }) => [name, shardName(i, 2)])),
    ),
    ...change,
  });
  const name = tensors[0]?.name as string;
  const INDEX = "model.safetensors.index.json";

  it.each([
    [
      "a shard outside the directory",
      (folder: string) => writeIndex(folder, map({ [name]: "../other.safetensors" })),
      [/\.\.\/other\.safetensors/],
    ],
    [
      "a missing shard",
      (folder: string) => rmSync(join(folder, shardName(1, 2))),
      [/model-00002-of-00002\.safetensors/],
    ],
    [
      "a tensor listed twice",
      (folder: string) =>
        writeFileSync(
          join(folder, INDEX),
          `{"weight_map":{"twin":"${shardName(0, 2)}","twin":"${shardName(1, 2)}"}}`,
        ),
      [/"twin"/],
    ],
    [
      "a tensor listed but nowhere",
      (folder: string) => writeIndex(folder, map({ ghost: shardName(0, 2) })),
      [/"ghost"/],
    ],
  ])("%s", async (_, spoil, said) => {
    const folder = writeShards(join(temporaryFolder(), "model"), shards, llamaConfig());
    spoil(folder);
    await expectRefused(folder, INDEX, said);
  });
});
