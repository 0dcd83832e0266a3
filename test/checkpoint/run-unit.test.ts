import { describe, expect, it } from "vitest";
import { layoutOf } from "../../src/checkpoint/layouts/registry.ts";
import type { Action } from "../../src/checkpoint/rules.ts";
import { runUnit } from "../../src/checkpoint/run-unit.ts";
import type { Unit } from "../../src/checkpoint/unit.ts";
import type { TensorEntry } from "../../src/formats/safetensors/index.ts";
import { NonFiniteError, quantize } from "../../src/index.ts";
import { newWorkspace } from "../../src/tensor/default-workspace.ts";
import { codingOf } from "../../src/tensor/options.ts";
import { sameBytes } from "../kernels/calls.ts";
import { floatBytesAs, normalFloats, randomFrom } from "./safetensors-files.ts";
import { errorOf, settled } from "./streams.ts";

/** Five tiles and a bit. */
const ROWS = 1367;
const COLUMNS = 1001;
const values = normalFloats(ROWS * COLUMNS, 12);
const source = floatBytesAs("F32", values);
const expected = quantize(values, { doubleQuant: false });

function unitOf(action: Action): Unit {
  const end = source.byteLength;
  const entry: TensorEntry = { name: "w", dtype: "F32", shape: [ROWS, COLUMNS], begin: 0, end };
  const unit = { file: 0, fileName: "model.safetensors", entry, action, transpose: false };
  if (action === "copy") return unit;
  const coding = codingOf({ quantType: action, doubleQuant: false });
  return { ...unit, treatment: { coding, layout: layoutOf(action, undefined) } };
}

type Wait = () => Promise<void>;

/** Bytes arrive at the end of the wait: until then, what is in the target may not matter. */
function slowReader(wait: Wait, failsAt = Infinity) {
  let position = 0;
  return {
    async fill(target: Uint8Array) {
      const from = position;
      position += target.byteLength;
      target.fill(0xee);
      await wait();
      if (position > failsAt) throw new Error("the cable was pulled");
      target.set(source.subarray(from, from + target.byteLength));
    },
  };
}

/** Bytes are taken at the end of the wait: until then, nobody may write over them. */
function slowWriter(byteCount: number, wait: Wait, failsAt = Infinity) {
  const bytes = new Uint8Array(byteCount);
  const state = { position: 0, pending: 0, finished: false };
  return {
    bytes,
    state,
    quantStateBytes: 0,
    async write(piece: Uint8Array) {
      const from = state.position;
      state.position += piece.byteLength;
      state.pending++;
      await wait();
      state.pending--;
      if (state.position > failsAt) throw new Error("the disk is full");
      bytes.set(piece, from);
    },
    finish: async () => {
      state.finished = true;
    },
  };
}

function run(
  action: Action,
  reader: ReturnType<typeof slowReader>,
  writer: ReturnType<typeof slowWriter>,
  signal?: AbortSignal,
) {
  return runUnit(unitOf(action), () => reader, writer, newWorkspace("wasm"), { signal });
}

const atOnce: Wait = () => Promise.resolve();
const later: Wait = () => new Promise((resolve) => setTimeout(resolve, 3));

function sometimes(seed: number): Wait {
  const random = randomFrom(seed);
  return () => (random() < 0.4 ? later() : atOnce());
}

const PACES: readonly (readonly [name: string, read: Wait, write: Wait])[] = [
  ["all at once", atOnce, atOnce],
  ["a slow source", later, atOnce],
  ["a slow sink", atOnce, later],
  ["both slow", later, later],
  ...[1, 2, 3, 4].map(
    (seed) => [`as it happens (${seed})`, sometimes(seed), sometimes(-seed)] as const,
  ),
];

describe.each(PACES)("one tensor, tile by tile, with %s", (_, read, write) => {
  it("is quantized to the bytes of quantize()", async () => {
    const writer = slowWriter(expected.codes.byteLength, write);
    await run("nf4", slowReader(read), writer);
    sameBytes(writer.bytes, expected.codes, "codes");
    expect(writer.state).toEqual({
      position: expected.codes.byteLength,
      pending: 0,
      finished: true,
    });
  });

  it("is copied byte for byte", async () => {
    const writer = slowWriter(source.byteLength, write);
    await run("copy", slowReader(read), writer);
    sameBytes(writer.bytes, source, "copy");
    expect(writer.state.finished).toBe(true);
  });
});

describe.each(["nf4", "copy"] as const)("a failure half-way (%s)", (action) => {
  /** Fails the test when a promise was left alone with its error. */
  async function quietly(act: () => Promise<void>): Promise<void> {
    const rejections: unknown[] = [];
    const note = (reason: unknown) => rejections.push(reason);
    process.on("unhandledRejection", note);
    try {
      await act();
      await settled();
      await later();
      await settled();
    } finally {
      process.off("unhandledRejection", note);
    }
    expect(rejections).toEqual([]);
  }

  it.each(PACES)("of the source is told, with no write under way: %s", (_, read, write) =>
    quietly(async () => {
      const writer = slowWriter(source.byteLength, write);
      const reader = slowReader(read, 3 << 20);
      expect((await errorOf(run(action, reader, writer))).message).toBe("the cable was pulled");
      expect(writer.state).toMatchObject({ pending: 0, finished: false });
    }),
  );

  it.each(PACES)("of the sink is told, with no write under way: %s", (_, read, write) =>
    quietly(async () => {
      const writer = slowWriter(source.byteLength, write, 200_000);
      expect((await errorOf(run(action, slowReader(read), writer))).message).toBe(
        "the disk is full",
      );
      expect(writer.state).toMatchObject({ pending: 0, finished: false });
    }),
  );

  it.each(PACES)("by a signal is told, with no write under way: %s", (_, read, write) =>
    quietly(async () => {
      const controller = new AbortController();
      const reason = new Error("stop");
      const writer = slowWriter(source.byteLength, async () => {
        controller.abort(reason);
        await write();
      });
      expect(await errorOf(run(action, slowReader(read), writer, controller.signal))).toBe(reason);
      expect(writer.state).toMatchObject({ pending: 0, finished: false });
    }),
  );
});

describe("NaN", () => {
  it("in a later tile is told by its index in the tensor", async () => {
    const index = values.length - 5;
    const bytes = source.slice();
    new Float32Array(bytes.buffer)[index] = NaN;
    const reader = {
      position: 0,
      async fill(target: Uint8Array) {
        target.set(bytes.subarray(this.position, this.position + target.byteLength));
        this.position += target.byteLength;
      },
    };
    const writer = slowWriter(source.byteLength, later);
    const error = await errorOf(
      runUnit(unitOf("nf4"), () => reader, writer, newWorkspace("wasm"), {}),
    );
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error).toMatchObject({ tensor: "w", index });
    expect(writer.state.pending).toBe(0);
  });
});
