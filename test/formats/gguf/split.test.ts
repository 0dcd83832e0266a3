import { describe, expect, it } from "vitest";
import {
  type GgufFile,
  joinParts,
  openGguf,
  partCountOf,
  partNames,
} from "../../../src/formats/gguf/index.ts";
import { bytesSource } from "../../../src/foundation/byte-source.ts";
import { edgeFile } from "./vectors.ts";

const part = (number: 1 | 2) => `split-0000${number}-of-00002`;
const open = (number: 1 | 2): Promise<GgufFile> =>
  openGguf(bytesSource(edgeFile(part(number)), `${part(number)}.gguf`));

describe("a model in parts", () => {
  it("has its metadata in the first, without the keys of the split", async () => {
    const [first, second] = [await open(1), await open(2)];
    expect(partCountOf(first)).toBe(2);
    expect(partNames(`${part(1)}.gguf`, 2)).toEqual([`${part(1)}.gguf`, `${part(2)}.gguf`]);
    const metadata = joinParts([first, second]);
    expect([...metadata].filter(({ key }) => key.startsWith("split."))).toEqual([]);
    expect(metadata.size).toBe(first.header.metadata.size - 3);
  });

  it("is refused from its second part, in a wrong order, with one twice, or under other names", async () => {
    const [first, second] = [await open(1), await open(2)];
    expect(() => partCountOf(second)).toThrow(/it is part 2 of 2; open the first part/);
    expect(() => joinParts([second, first])).toThrow(/"split.no" is 1, expected 0/);
    expect(() => joinParts([first, first])).toThrow(/"split.no" is 0, expected 1/);
    expect(() => joinParts([first, second, second])).toThrow(/"split.count" is 2, expected 3/);
    expect(() => partNames("model.gguf", 2)).toThrow(/must be called …-00001-of-00002.gguf/);
    expect(() => partNames("m-00001-of-00003.gguf", 2)).toThrow(/-00001-of-00002/);
  });
});
