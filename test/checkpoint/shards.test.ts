import { describe, expect, it } from "vitest";
import { parseByteCount, splitIntoShards } from "../../src/checkpoint/shards.ts";
import { ArgumentError } from "../../src/foundation/errors.ts";
import { randomFrom } from "./safetensors-files.ts";

const item = (name: string, dataBytes: number, headerBytes = 100) => ({
  name,
  dataBytes,
  headerBytes,
});

/** Names of the items in each shard. */
function split(items: readonly ReturnType<typeof item>[], dataBytes: number, headerBytes = 1e8) {
  const shards = splitIntoShards(items, { dataBytes, headerBytes });
  return Array.from(shards, (indices) => Array.from(indices, (i) => items[i]?.name as string));
}

describe("the split into shards", () => {
  it("puts everything into one when it fits", () => {
    const items = [item("a.weight", 50), item("b.weight", 50)];
    expect(split(items, 100)).toEqual([["a.weight", "b.weight"]]);
    expect(split(items, 99)).toEqual([["a.weight"], ["b.weight"]]);
    expect(split([], 100)).toEqual([[]]);
  });

  it("keeps a block together, wherever its tensors come from", () => {
    const items = [
      item("model.layers.0.a.weight", 30),
      item("model.layers.1.a.weight", 30),
      item("model.layers.0.b.weight", 30),
      item("model.layers.1.b.weight", 30),
    ];
    expect(split(items, 100)).toEqual([
      ["model.layers.0.a.weight", "model.layers.0.b.weight"],
      ["model.layers.1.a.weight", "model.layers.1.b.weight"],
    ]);
  });

  it("does not take layer 1 for layer 10", () => {
    const items = [item("h.1.a.weight", 60), item("h.10.a.weight", 60), item("h.1.b.weight", 30)];
    expect(split(items, 100)).toEqual([["h.1.a.weight", "h.1.b.weight"], ["h.10.a.weight"]]);
  });

  it("tears a block that is too large at its modules, but no module", () => {
    const items = [
      item("layers.0.a.weight", 80),
      item("layers.0.a.bias", 15),
      item("layers.0.b.weight", 300),
      item("layers.0.b.bias", 1),
      item("layers.0.c.weight", 10),
    ];
    expect(split(items, 100)).toEqual([
      ["layers.0.a.weight", "layers.0.a.bias"],
      ["layers.0.b.weight", "layers.0.b.bias"],
      ["layers.0.c.weight"],
    ]);
  });

  it("starts another shard when the header grows too long", () => {
    const items = Array.from({ length: 10 }, (_, i) => item(`layers.${i}.weight.x`, 1, 40));
    const shards = split(items, 1e9, 100);
    expect(shards).toHaveLength(5);
    for (const names of shards) expect(names).toHaveLength(2);
  });

  it("loses nothing and doubles nothing, whatever comes", () => {
    const random = randomFrom(4);
    for (let round = 0; round < 200; round++) {
      const items = Array.from({ length: Math.floor(random() * 40) }, (_, i) =>
        item(
          `m.${Math.floor(random() * 5)}.${"abc"[Math.floor(random() * 3)]}.t${i}`,
          Math.floor(random() * 50),
        ),
      );
      const shards = split(items, 100);
      expect(shards.flat().sort()).toEqual(items.map(({ name }) => name).sort());
      const homes = new Map<string, Set<number>>();
      for (const [shard, names] of shards.entries()) {
        for (const name of names) {
          const module = name.slice(0, name.lastIndexOf("."));
          homes.set(module, (homes.get(module) ?? new Set()).add(shard));
        }
      }
      for (const shard of homes.values()) expect(shard.size).toBe(1);
    }
  });
});

describe("a size", () => {
  it.each([
    ["1000", 1000],
    ["5GB", 5e9],
    ["5 GB", 5e9],
    ["5gb", 5e9],
    ["5G", 5e9],
    ["2GiB", 2 ** 31],
    ["1.5MB", 1.5e6],
    ["100b", 100],
    ["1TB", 1e12],
    ["3kib", 3072],
  ])("%s is %i bytes", (text, bytes) => {
    expect(parseByteCount(text, "size")).toBe(bytes);
  });

  it.each(["", "GB", "-1GB", "0", "0.0001", "1e3", "5 GBs", "1XB", "NaN", "99999999TB"])(
    "%j is none",
    (text) => {
      expect(() => parseByteCount(text, "maxShardSize")).toThrow(ArgumentError);
      expect(() => parseByteCount(text, "maxShardSize")).toThrow(/maxShardSize.*"5GB"/);
    },
  );
});
