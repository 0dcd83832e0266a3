import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { convertFiles } from "../../src/checkpoint/convert.ts";
import { exactSizes, singleOutputFile } from "../../src/checkpoint/output-plan.ts";
import { Plan } from "../../src/checkpoint/plan.ts";
import { encodeHeader, openSafetensors } from "../../src/formats/safetensors/index.ts";
import { quantize } from "../../src/index.ts";
import { openFileSource } from "../../src/node/file-source.ts";
import { newWorkspace } from "../../src/tensor/default-workspace.ts";

/** Past 2^31 bytes for one tensor, past 2^32 for the file, and odd so that no power of two hides. */
const BIG_ROWS = 1_100_003;
const COLUMNS = 1024;
const BIG_BYTES = BIG_ROWS * COLUMNS * 2;
const SMALL_SHAPE = [64, 64];
const SMALL_BYTES = 64 * 64 * 2;

let folder: string;
let path: string;

/** bf16 of 1, −0.5, 0.25 …: told from zeros at any place. */
const MARK = Uint16Array.from(
  { length: COLUMNS },
  (_, i) => 0x3f80 - (i % 7) * 64 + (i % 2) * 0x8000,
);
const SMALL = Uint16Array.from({ length: 64 * 64 }, (_, i) => 0x3c00 + (i % 512));

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "quantwise-large-"));
  path = join(folder, "model.safetensors");
  const at = [0, BIG_BYTES, 2 * BIG_BYTES, 2 * BIG_BYTES + SMALL_BYTES] as const;
  const header = encodeHeader([
    { name: "a.weight", dtype: "BF16", shape: [BIG_ROWS, COLUMNS], begin: at[0], end: at[1] },
    { name: "b.weight", dtype: "BF16", shape: [BIG_ROWS, COLUMNS], begin: at[1], end: at[2] },
    { name: "c.weight", dtype: "BF16", shape: SMALL_SHAPE, begin: at[2], end: at[3] },
  ]);
  const file = openSync(path, "w");
  writeSync(file, header);
  // The rest is a hole: the last row of "a", and "c" behind 4 GiB, are all that is there.
  const lastRow = header.byteLength + BIG_BYTES - COLUMNS * 2;
  writeSync(file, new Uint8Array(MARK.buffer), 0, COLUMNS * 2, lastRow);
  writeSync(file, new Uint8Array(SMALL.buffer), 0, SMALL_BYTES, header.byteLength + at[2]);
  ftruncateSync(file, header.byteLength + at[3]);
  closeSync(file);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("converts tensors above 2 GiB in files above 4 GiB", { timeout: 120_000 }, async () => {
  const source = await openFileSource(path);
  try {
    const file = await openSafetensors(source);
    const plan = new Plan(
      [{ name: path, table: file.table }],
      { architectures: [] },
      { rules: [{ pattern: "b.weight", action: "copy" }], include: ["**"], doubleQuant: false },
    );
    const sink = tailSink();
    const output = singleOutputFile(plan, "out.safetensors");
    const create = () => Promise.resolve(sink);
    const [written] = await convertFiles(plan, [file], [output], create, newWorkspace(), {});

    expect(sink.size).toBe(written?.bytes);
    expect(exactSizes(plan, [output])).toMatchObject({ totalBytes: written?.bytes, slackBytes: 0 });
    // Reference order: F32 tables, then BF16 "b", then U8 by name: a.weight, its state, c.weight.
    const mark = quantize(MARK, { dtype: "bfloat16", doubleQuant: false });
    const small = quantize(SMALL, { dtype: "bfloat16", doubleQuant: false });
    const end = written?.bytes ?? 0;
    const stateBytes = end - sink.positionOf(small.codes) - small.codes.byteLength;
    expect(sink.positionOf(mark.codes)).toBeGreaterThan(BIG_BYTES);
    expect(stateBytes).toBeLessThan(200);
  } finally {
    await source.close();
  }
});

it("the file is sparse, so the test needs no disk", () => {
  const kilobytes = Number(execFileSync("du", ["-k", path], { encoding: "utf8" }).split("\t")[0]);
  expect(kilobytes).toBeLessThan(10_000);
});

/** What zeros become: zeros when copied, code 7 twice in NF4. */
const HOLES = [Buffer.alloc(1 << 20, 0), Buffer.alloc(1 << 20, 0x77)];

/** Keeps only what differs from a hole's output, with its position. */
function tailSink() {
  const pieces: { position: number; bytes: Uint8Array }[] = [];
  return {
    name: "nowhere",
    size: 0,
    write(bytes: Uint8Array, position: number) {
      this.size = Math.max(this.size, position + bytes.byteLength);
      const isHole = HOLES.some((hole) => hole.subarray(0, bytes.byteLength).equals(bytes));
      if (!isHole) pieces.push({ position, bytes: bytes.slice() });
      return Promise.resolve();
    },
    read: () => Promise.reject(new Error("nothing should be moved")),
    truncate(size: number) {
      this.size = size;
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    /** Where these bytes lie in the file. */
    positionOf(wanted: Uint8Array): number {
      for (const { position, bytes } of pieces) {
        const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(wanted);
        if (at >= 0) return position + at;
      }
      return -1;
    },
  };
}
