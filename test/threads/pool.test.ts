import { createHash } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import { ArgumentError, type QuantizeOptions, quantize } from "../../src/index.ts";
import { createThreadPool, quantizeParallel } from "../../src/node/threads.ts";
import { QUANT_TYPES } from "../../src/schemes/registry.ts";
import type { EncodeReply, EncodeRequest } from "../../src/threads/messages.ts";
import { type Thread, ThreadPool } from "../../src/threads/pool.ts";
import { normalFloats } from "../checkpoint/safetensors-files.ts";
import { errorOf } from "../checkpoint/streams.ts";

/** Several parts of a megabyte, and a short last one. */
const ROWS = 1203;
const COLUMNS = 704;
const shape = [ROWS, COLUMNS];
const weights = normalFloats(ROWS * COLUMNS, 7);
const pool = createThreadPool({ threads: 2 });
afterAll(() => pool.close());

/** Arrays by their bytes: comparing a million elements one by one takes seconds. */
function digest(record: object): unknown {
  const members = Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
  return members.map(([name, value]) => {
    if (ArrayBuffer.isView(value)) {
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      return [name, value.constructor.name, createHash("sha256").update(bytes).digest("hex")];
    }
    return [name, name === "nested" ? digest(value as object) : value];
  });
}

describe("quantizeParallel", () => {
  it.each([
    ...QUANT_TYPES.map((quantType): QuantizeOptions => ({ quantType })),
    { quantType: "nf4", doubleQuant: false, blockSize: 4096 },
    { quantType: "dynamic8", blockSize: 7 },
    { quantType: "int4", blockSize: 33 },
    { quantType: "int4", blockSize: 33, doubleQuant: false },
    { quantType: "int4", symmetric: true },
    { quantType: "int8", granularity: "channel" },
    { quantType: "int8", granularity: "channel", axis: 1 },
    { quantType: "int8", granularity: "tensor" },
    { quantType: "fp8-e4m3", granularity: "block", blockSize: 100 },
  ] as QuantizeOptions[])("gives the record of quantize: %o", async (options) => {
    const expected = quantize(weights, { ...options, shape });
    const record = await quantizeParallel(weights, { ...options, shape, pool });
    expect(digest(record)).toEqual(digest(expected));
  });

  it.each(QUANT_TYPES)("reads and writes shared memory where it is: %s", async (quantType) => {
    const shared = new Float32Array(new SharedArrayBuffer(weights.byteLength));
    shared.set(weights);
    const record = await quantizeParallel(shared, { quantType, shape, pool });
    expect(digest(record)).toEqual(digest(quantize(weights, { quantType, shape })));
    // A scale for the whole tensor keeps it whole.
    const isCut = !["nvfp4", "fp8-e4m3", "fp8-e5m2"].includes(quantType);
    expect(record.codes.buffer instanceof SharedArrayBuffer).toBe(isCut);
  });

  it("takes 16-bit floats, and tensors of other ranks", async () => {
    const halves = new Uint16Array(weights.length).map((_, i) => 0x3c00 + (i % 997));
    for (const dtype of ["float16", "bfloat16"] as const) {
      const options = { dtype, shape: [3, 401, COLUMNS] };
      expect(await quantizeParallel(halves, { ...options, pool })).toEqual(
        quantize(halves, options),
      );
    }
  });

  it("does its work on all of its threads", () => {
    expect(pool.active).toBe(2);
  });

  it("tells the index of a NaN in the tensor, and goes on with other tensors", async () => {
    const index = weights.length - 3;
    const broken = weights.slice();
    broken[index] = NaN;
    const error = await errorOf(quantizeParallel(broken, { shape, pool }));
    expect(error).toMatchObject({ code: "NON_FINITE", index });
    const record = await quantizeParallel(weights, { shape, pool });
    expect(digest(record)).toEqual(digest(quantize(weights, { shape })));
  });

  it("refuses what quantize refuses", async () => {
    const error = await errorOf(quantizeParallel(weights, { shape: [3], pool }));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error).toMatchObject({ argument: "shape" });
  });

  it.each([undefined, {}, { size: 2 }])("refuses what is no pool: %o", async (none) => {
    const error = await errorOf(quantizeParallel(weights, { pool: none as never }));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toMatch(/^pool: expected a pool of createThreadPool, received/);
    const nothing = await errorOf(quantizeParallel(weights, undefined as never));
    expect(nothing.message).toBe(`pool: expected a pool of createThreadPool, received undefined`);
  });

  it("tells the kernels of the threads, which are the pool's", async () => {
    const scalar = createThreadPool({ threads: 2, kernels: "reference" });
    try {
      // Cut into parts, and one that cannot be.
      for (const quantType of ["nf4", "nvfp4"] as const) {
        const record = await quantizeParallel(weights, { quantType, shape, pool: scalar });
        expect(record.kernels).toMatchObject({ name: "reference", simd: "none" });
      }
      const error = await errorOf(quantizeParallel(weights, { kernels: "wasm", pool: scalar }));
      expect(error.message).toBe(
        'kernels: expected none, or "reference" as the pool has, received "wasm"',
      );
    } finally {
      scalar.close();
    }
  });
});

describe("a pool", () => {
  it.each([0, -1, 1.5, NaN, 1025, 99_999_999_999])("of %s threads is refused", (threads) => {
    expect(() => createThreadPool({ threads })).toThrow(
      /threads: expected a whole number from 1 to 1024/,
    );
  });

  it("of kernels that are none is refused", () => {
    const kernels = "bogus" as never;
    expect(() => createThreadPool({ threads: 1, kernels })).toThrow(/^kernels: expected "auto" or/);
  });

  it("that is closed rejects what it has and what comes", async () => {
    const closing = createThreadPool({ threads: 1 });
    const running = errorOf(quantizeParallel(weights, { shape, pool: closing }));
    closing.close();
    expect((await running).message).toMatch(/the thread pool is closed/);
    const later = await errorOf(quantizeParallel(weights, { shape, pool: closing }));
    expect(later.message).toMatch(/the thread pool is closed/);
  });

  it("whose worker does not load fails instead of waiting", async () => {
    const broken = createThreadPool({ threads: 2, workerUrl: new URL("file:///no/worker.js") });
    const error = await errorOf(quantizeParallel(weights, { shape, pool: broken }));
    expect(error).toMatchObject({ code: "UNSUPPORTED" });
    expect(error.message).toMatch(/a worker thread died: .*no\/worker\.js.*--threads 1/s);
  });

  it("fails as a whole when one thread dies in the middle", async () => {
    let crash: (reason: unknown) => void = () => {};
    const ended: number[] = [];
    let spawned = 0;
    const dying = new ThreadPool(2, (): Thread => {
      const number = spawned++;
      return {
        post(_: EncodeRequest) {
          if (number === 1) crash(new Error("out of memory"));
        },
        listen(_: (reply: EncodeReply) => void, onCrash) {
          if (number === 1) crash = onCrash;
        },
        async terminate() {
          ended.push(number);
        },
      };
    });
    const error = await errorOf(quantizeParallel(weights, { shape, pool: dying }));
    expect(error.message).toMatch(/a worker thread died: out of memory/);
    expect(ended).toEqual([0, 1]);
  });
});
