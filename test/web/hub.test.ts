import { describe, expect, it } from "vitest";
import { ArgumentError, FormatError, StorageError } from "../../src/foundation/errors.ts";
import { hubFile, hubPlaceOf, listHubFiles, parseHubRef } from "../../src/web/hub.ts";
import { errorOf } from "../checkpoint/streams.ts";
import { COMMIT, fakeHub } from "./fake-hub.ts";
import { serve } from "./server.ts";

describe("a model's name on the Hub", () => {
  it.each([
    ["hf:org/name", "org/name", "main"],
    ["HF:org/name@v1.0", "org/name", "v1.0"],
    ["hf://org/name", "org/name", "main"],
    ["hf:gpt2", "gpt2", "main"],
    ["hf:Qwen/Qwen2.5-0.5B-Instruct@refs/pr/12", "Qwen/Qwen2.5-0.5B-Instruct", "refs/pr/12"],
    [`hf:a_b/c.d@${COMMIT}`, "a_b/c.d", COMMIT],
  ])("%s", (text, repo, revision) => {
    expect(parseHubRef(text)).toEqual({ repo, revision });
  });

  it.each([
    "hf:",
    "hf:org/",
    "hf:/name",
    "hf:org/name@",
    "hf:org/name/file.safetensors",
    "hf:../name",
    "hf:org/..",
    "hf:org/na me",
    "hf:org/name@a b",
    "hf:org/name@../main",
    "hf:org/name@a\u001b[31m",
    `hf:org/${"x".repeat(97)}`,
    "org/name",
  ])("is refused: %j", (text) => {
    expect(() => parseHubRef(text)).toThrow(ArgumentError);
    expect(() => parseHubRef(text)).toThrow(/"hf:org\/name" or "hf:org\/name@revision"/);
  });
});

describe("a file's address", () => {
  it.each([
    ["main", "config.json", "https://huggingface.co/org/name/resolve/main/config.json"],
    ["refs/pr/1", "a/b.json", "https://huggingface.co/org/name/resolve/refs%2Fpr%2F1/a/b.json"],
    ["v1", "a b?#%/ü.txt", "https://huggingface.co/org/name/resolve/v1/a%20b%3F%23%25/%C3%BC.txt"],
  ])("at %s: %s", (revision, path, expected) => {
    expect(hubFile({ repo: "org/name", revision }, path)).toBe(expected);
  });

  it("may be another hub's", () => {
    const ref = { repo: "org/name", revision: "main" };
    expect(hubFile(ref, "x", "https://mirror.example/hf/")).toBe(
      "https://mirror.example/hf/org/name/resolve/main/x",
    );
    expect(() => hubFile(ref, "x", "mirror.example")).toThrow(ArgumentError);
  });

  it.each([
    ["org/name", { repo: "org/name", revision: "main" }, ""],
    ["org/name/", { repo: "org/name", revision: "main" }, ""],
    ["org/name/tree/v1", { repo: "org/name", revision: "v1" }, ""],
    ["org/name/tree/main/sub", { repo: "org/name", revision: "main" }, "sub"],
    [
      "org/name/blob/main/a/b.safetensors",
      { repo: "org/name", revision: "main" },
      "a/b.safetensors",
    ],
    ["org/name/resolve/refs%2Fpr%2F1/x", { repo: "org/name", revision: "refs/pr/1" }, "x"],
    ["org/name/resolve/refs/pr/1/x", { repo: "org/name", revision: "refs/pr/1" }, "x"],
    ["org/name/resolve/main/x?download=true", { repo: "org/name", revision: "main" }, "x"],
  ])("is found in the page's address %s", (address, ref, path) => {
    expect(hubPlaceOf(new URL(`https://huggingface.co/${address}`))).toEqual({ ref, path });
    const mirror = "https://mirror.example/hf";
    expect(hubPlaceOf(new URL(`${mirror}/${address}`), mirror)).toEqual({ ref, path });
  });

  it.each([
    "https://huggingface.co/",
    "https://huggingface.co/docs",
    "https://huggingface.co/org/name/discussions/1",
    "https://huggingface.co/org/name/resolve",
    "https://huggingface.co/org/name/resolve/%E0%A4%A/x",
    "https://huggingface.co/org/name/resolve/..%2Fx/y",
    "https://huggingface.co.evil.example/org/name",
    "http://huggingface.co/org/name",
    "https://example.com/org/name",
  ])("is not seen in %s", (address) => {
    expect(hubPlaceOf(new URL(address))).toBeUndefined();
  });
});

describe("the list of a model's files", () => {
  const ref = { repo: "org/name", revision: "main" };
  const names = ["config.json", "a.txt", "sub/b.txt", "sub/c.txt", "d.txt", "e.txt", "f.txt"];
  const files = new Map(names.map((name, i) => [name, new Uint8Array(i)]));

  it("is gathered from its pages, which a mirror may say are elsewhere", async () => {
    const { hub } = await fakeHub({ files, token: "t" });
    const list = await listHubFiles(ref, { endpoint: hub.origin, token: "t" });
    expect(list).toEqual(names.map((path, bytes) => ({ path, bytes })));
    expect(hub.requests).toHaveLength(3);
    expect(hub.requests[0]?.path).toBe("/api/models/org/name/tree/main?recursive=true");
  });

  it("of a revision with slashes is asked for in one segment", async () => {
    const { hub } = await fakeHub({ files, revisions: ["refs/pr/1"] });
    const pull = { ...ref, revision: "refs/pr/1" };
    expect(await listHubFiles(pull, { endpoint: hub.origin })).toHaveLength(7);
    expect(hub.requests[0]?.path).toContain("/tree/refs%2Fpr%2F1?");
  });

  it("ends though a server gives the same page for ever", async () => {
    const hub = await serve((_, response) => {
      response.writeHead(200, { link: '<?cursor=again>; rel="next"' });
      response.end("[]");
    });
    expect(await listHubFiles(ref, { endpoint: hub.origin })).toEqual([]);
    const endless = await serve((request, response, count) => {
      response.writeHead(200, { link: `<?cursor=${count}>; rel="next"` });
      response.end(JSON.stringify(Array(1000).fill({ type: "file", path: "a", size: 1 })));
      request.resume();
    });
    const error = await errorOf(listHubFiles(ref, { endpoint: endless.origin }));
    expect(error.message).toMatch(/it lists more than 200000 files/);
  });

  it.each([
    "../escape",
    "/etc/passwd",
    "a/../../b",
    "a//b",
    "a/./b",
    "a\\b",
    "c:x",
    "a\u0000b",
    "a\u001b[2Jb",
    "a\u202eb",
    "",
    "\ud800",
    `${"x/".repeat(600)}x`,
  ])("is refused for the path %j", async (path) => {
    const hub = await serve((_, response) => {
      response.end(JSON.stringify([{ type: "file", path, size: 1 }]));
    });
    const error = await errorOf(listHubFiles(ref, { endpoint: hub.origin }));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(/leads out of the repository/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no terminal may see them
    expect(error.message).not.toMatch(/[\u0000-\u001f\u202e]/);
  });

  it.each([
    ["{}", /expected a list of files/],
    ["[", /it is no JSON/],
    ["\xff", /it is no JSON/],
    ['[{"type":"file","path":"a"}]', /a file without a path or a size/],
    ['[{"type":"file","size":1}]', /a file without a path or a size/],
    ['[{"type":"file","path":"a","size":-1}]', /a file without a path or a size/],
  ])("is refused for %j", async (text, expected) => {
    const hub = await serve((_, response) => response.end(Buffer.from(text, "latin1")));
    const error = await errorOf(listHubFiles(ref, { endpoint: hub.origin }));
    expect(error).toBeInstanceOf(FormatError);
    expect(error.message).toMatch(expected);
  });

  it.each([
    [{ ...ref, revision: "nope" }, {}, StorageError, /hf:org\/name@nope: there is no such model/],
    [ref, { token: "wrong" }, StorageError, /status 403, Your request.*The token was sent.*Gated/],
    [ref, {}, StorageError, /status 401, Access to model.*names that do not exist.*HF_TOKEN/],
  ])("of %j with %j is refused in the Hub's words", async (which, options, kind, expected) => {
    const token = "token" in options || which === ref ? "right" : undefined;
    const { hub } = await fakeHub({ files, ...(token === undefined ? {} : { token }) });
    const error = await errorOf(listHubFiles(which, { endpoint: hub.origin, ...options }));
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toMatch(expected);
    expect(error.message).not.toContain("wrong");
  });
});
