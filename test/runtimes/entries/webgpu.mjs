/**
 * The door `webgpu` on a software adapter: the bytes of Node's answers and of the golden vectors, computed
 * on the device. What ran elsewhere is a failure.
 */

import * as core from "quantwise";
import { linear } from "quantwise/linear";
import { createQuantizer, WebGpuError } from "quantwise/webgpu";
import answers from "./answers.mjs";
import { inputOf, partsOf } from "./records.mjs";
import { sha256 } from "./sha256.mjs";
import { checklist, same } from "./suite.mjs";

const TYPES = ["nf4", "fp4", "af4", "dynamic8", "int4", "int8", "uint4", "uint8"];
const DTYPES = ["float32", "float16", "bfloat16"];

/** @param expected.adapter  words of the adapter; @param expected.dawn  address of npm's `webgpu`; @param expected.isSlow  each answer takes a tenth of a second */
export async function result(expected) {
  const { check, checks } = checklist();
  const gpu = await gpuOf(expected);
  const strict = (more) =>
    createQuantizer({ device: "webgpu", allowFallbackAdapter: true, gpu, ...more });
  let quantizer;

  await check("a device, self-tested", async () => {
    quantizer = await strict();
    same(quantizer.ranOn.device, "webgpu", "device");
    const { reason } = quantizer.ranOn;
    if (!reason.includes(expected.adapter) || !reason.endsWith(": self-tested")) {
      throw new Error(reason);
    }
  });
  if (quantizer === undefined) return { kernels: core.kernels, checks };
  if (expected.golden !== undefined) {
    const { default: cases } = await import(expected.golden);
    for (const quantType of TYPES.filter((type) => type !== "af4")) {
      const own = cases.filter((one) => one.quantType === quantType);
      await check(`every golden vector: ${own.length} of ${quantType}`, () =>
        sameBytes(quantizer, own),
      );
    }
    return { kernels: core.kernels, checks };
  }
  for (const quantType of TYPES) {
    await check(`bytes: ${quantType}`, () => bytesOf(quantizer, quantType, expected.isSlow));
    if (expected.isSlow && !["nf4", "int4"].includes(quantType)) continue;
    await check(`any bits: ${quantType}`, () => anyBits(quantizer, quantType));
    await check(`pieces: ${quantType}`, () => pieces(strict, quantType));
  }
  await check("buffers of the caller", () => buffers(quantizer, 5001));
  await check("buffers of the caller, in pieces", async () => {
    const small = await strict({ limits: { maxStorageBufferBindingSize: 70_000 } });
    await buffers(small, 40_001);
    small.dispose();
  });
  await check("products: near those of the host", () => products(quantizer));
  await check("what has no kernel is refused, or runs on the host", () => unsupported(strict, gpu));
  await check("NaN is the host's", () => nonFinite(quantizer));
  await check("a fallback adapter is refused, and auto says so", () => fallback(gpu));
  await check("small work stays on the host", () => crossover(gpu));
  for (const [outcome, spoil] of Object.entries(FAULTS)) {
    await check(`failure: ${outcome}`, () => failure(quantizer.device, gpu, outcome, spoil));
  }
  await check("failure: lost", () => lost(gpu));
  quantizer.dispose();
  return { kernels: core.kernels, checks };
}

async function gpuOf({ dawn }) {
  if (dawn === undefined) return globalThis.navigator.gpu;
  const { create, globals } = await import(dawn);
  Object.assign(globalThis, globals);
  return create([]);
}

async function bytesOf(quantizer, quantType, isSlow) {
  const cases = answers.cases
    .filter((one) => one.quantType === quantType && one.options.mode !== "cuda")
    .filter((_, i) => !isSlow || i % 3 === 0);
  await sameBytes(quantizer, cases);
}

async function sameBytes(quantizer, cases) {
  same(cases.length > 1, true, "cases");
  for (const one of cases) {
    const options = { ...one.options, quantType: one.quantType, dtype: one.input.dtype };
    const { record, ranOn } = await quantizer.quantize(inputOf(one.input), options);
    same(ranOn.device, "webgpu", `${one.name}: ${ranOn.reason}`);
    const parts = partsOf(record);
    if (one.expected.restored !== undefined) {
      const { values, ranOn: back } = await quantizer.dequantize(record);
      same(back.device, "webgpu", `${one.name}, back: ${back.reason}`);
      parts.restored = values;
    }
    for (const [part, sha] of Object.entries(one.expected)) {
      same(sha256(parts[part]), sha, `${one.name}, ${part}`);
    }
  }
}

/** Floats of any exponent, subnormals too. */
function bitsOf(count, dtype, seed) {
  const words = new Uint32Array(count);
  let state = seed;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state ^ (state >>> 13);
  }
  if (dtype === "float32") {
    for (let i = 0; i < count; i++) if (((words[i] >>> 23) & 255) === 255) words[i] ^= 1 << 23;
    // Every other stretch is subnormal, or near it.
    for (let i = 0; i < count; i++) if ((i >> 7) % 2 === 1) words[i] &= 0x80ffffff;
    return new Float32Array(words.buffer);
  }
  const [shift, mask] = dtype === "float16" ? [10, 31] : [7, 255];
  return Uint16Array.from(words, (word) => {
    const half = word >>> 16;
    return ((half >> shift) & mask) === mask ? half ^ (1 << shift) : half;
  });
}

async function anyBits(quantizer, quantType) {
  const count = 1999;
  for (const [i, dtype] of DTYPES.entries()) {
    const weights = bitsOf(count, dtype, i + 1);
    const options = { quantType, dtype, shape: [1, count] };
    const { record, ranOn } = await quantizer.quantize(weights, options);
    same(ranOn.device, "webgpu", ranOn.reason);
    const host = core.quantize(weights, { ...options, kernels: "reference" });
    sameParts(record, host, dtype);
    for (const to of DTYPES) {
      const { values, ranOn: back } = await quantizer.dequantize(host, { dtype: to });
      same(back.device, "webgpu", back.reason);
      const restored = core.dequantize(host, { dtype: to, kernels: "reference" });
      same(sha256(values), sha256(restored), `${dtype} to ${to}`);
    }
  }
}

function sameParts(record, host, what) {
  const [own, others] = [partsOf(record), partsOf(host)];
  same(Object.keys(own).join(), Object.keys(others).join(), "parts");
  for (const name of Object.keys(others)) {
    same(sha256(own[name]), sha256(others[name]), `${what}, ${name}`);
  }
}

/** Limits far below any device's. */
async function pieces(strict, quantType) {
  const limits = { maxStorageBufferBindingSize: 2048, maxComputeWorkgroupsPerDimension: 4 };
  const small = await strict({ limits });
  const count = 1501;
  const weights = inputOf({ dtype: "float32", seed: 9, count });
  const options = { quantType, shape: [count], blockSize: 32 };
  const { record, ranOn } = await small.quantize(weights, options);
  same(ranOn.device, "webgpu", ranOn.reason);
  sameParts(record, core.quantize(weights, options), "in pieces");
  const { values, ranOn: back } = await small.dequantize(record);
  same(back.device, "webgpu", back.reason);
  same(sha256(values), sha256(core.dequantize(record)), "expanded in pieces");
  small.dispose();
  const tiny = { ...limits, maxStorageBufferBindingSize: 1024 };
  if (quantType !== "nf4") return;
  const narrow = await strict({ limits: tiny });
  const large = { quantType, blockSize: 4096 };
  const error = await errorOf(narrow.quantize(new Float32Array(8192), large));
  same(error.outcome, "too-large", error.message);
  narrow.dispose();
}

/** |difference| ≤ 2^-18 · Σ |x · w|, which docs/webgpu.md promises. */
async function products(quantizer) {
  const [rows, columns] = [23, 416];
  const weights = inputOf({ dtype: "float32", seed: 6, count: rows * columns });
  const bias = inputOf({ dtype: "float32", seed: 7, count: rows });
  for (const quantType of [...TYPES, "llm-int8"]) {
    const record = core.quantize(weights, { quantType, shape: [rows, columns] });
    const magnitudes = core.dequantize(record).map(Math.abs);
    const layer = await quantizer.prepareLinear(record);
    for (const batch of [1, 6]) {
      const x = inputOf({ dtype: "float32", seed: batch, count: batch * columns });
      const { values, ranOn } = await layer.multiply(x, bias);
      same(ranOn.device, "webgpu", ranOn.reason);
      const host = linear(x, record, { bias });
      same(values.length, host.length, "length");
      for (let i = 0; i < host.length; i++) {
        let sum = Math.abs(bias[i % rows]);
        const [from, row] = [Math.floor(i / rows) * columns, (i % rows) * columns];
        for (let c = 0; c < columns; c++) sum += Math.abs(x[from + c]) * magnitudes[row + c];
        const far = Math.abs(values[i] - host[i]);
        if (!(far <= sum * 2 ** -18)) throw new Error(`${quantType}: ${values[i]}, ${host[i]}`);
      }
    }
    layer.dispose();
  }
}

/** Weights that are on the device already; nothing but the test reads them back. */
async function buffers(quantizer, elementCount) {
  const { device } = quantizer;
  const [usage, mapped] = [128 | 4 | 8, 1 | 8];
  const make = (bytes, flags) =>
    device.createBuffer({ size: Math.ceil(bytes / 4) * 4, usage: flags });
  const read = async (source, bytes) => {
    const target = make(bytes, mapped);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, 0, target, 0, target.size);
    device.queue.submit([encoder.finish()]);
    await target.mapAsync(1);
    return new Uint8Array(target.getMappedRange().slice(0, bytes));
  };
  for (const quantType of ["fp4", "dynamic8"]) {
    const weights = inputOf({ dtype: "float32", seed: 12, count: elementCount });
    const options = { quantType, blockSize: 32 };
    const host = core.quantize(weights, { ...options, ...(quantType === "fp4" && PLAIN) });
    const places = {
      values: make(4 * elementCount, usage),
      codes: make(host.codes.length, usage),
      absmax: make(host.absmax.byteLength, usage),
    };
    device.queue.writeBuffer(places.values, 0, weights);
    await quantizer.quantizeBuffer({ ...options, ...places, elementCount });
    const codes = await read(places.codes, host.codes.length);
    same(sha256(codes), sha256(host.codes), `${quantType}, codes`);
    const absmax = await read(places.absmax, host.absmax.byteLength);
    same(sha256(absmax), sha256(host.absmax), `${quantType}, absmax`);
    const back = { ...options, ...places, elementCount, dtype: "bfloat16" };
    await quantizer.dequantizeBuffer(back);
    const restored = core.dequantize(host, { dtype: "bfloat16" });
    same(sha256(await read(places.values, restored.byteLength)), sha256(restored), "restored");
    const short = { ...back, codes: make(4, usage) };
    same((await errorOf(quantizer.dequantizeBuffer(short))).argument, "codes", "a short buffer");
    device.queue.writeBuffer(places.values, 4 * 100, Float32Array.of(Number.NaN));
    const error = await errorOf(quantizer.quantizeBuffer({ ...options, ...places, elementCount }));
    same(error.message, "webgpu: values: NaN or infinity in block 3 of 32 elements", "NaN");
  }
}

const PLAIN = { doubleQuant: false };

async function unsupported(strict, gpu) {
  const quantizer = await strict();
  const weights = inputOf({ dtype: "float32", seed: 8, count: 256 });
  const options = { quantType: "mxfp4", shape: [2, 128] };
  const error = await errorOf(quantizer.quantize(weights, options));
  same(error instanceof WebGpuError, true, "class");
  same(error.outcome, "unsupported", error.message);
  quantizer.dispose();
  const auto = await createQuantizer({ allowFallbackAdapter: true, gpu });
  const { record, ranOn } = await auto.quantize(weights, options);
  same(ranOn.outcome, "unsupported", ranOn.reason);
  sameParts(record, core.quantize(weights, options), "on the host");
  auto.dispose();
}

async function nonFinite(quantizer) {
  const weights = new Float32Array(200).fill(1);
  weights[130] = Number.NaN;
  for (const quantType of ["nf4", "int8"]) {
    const error = await errorOf(quantizer.quantize(weights, { quantType }));
    same(`${error.code} ${error.index}`, "NON_FINITE 130", error.message);
    const options = { quantType, allowNonFinite: true };
    const { record, ranOn } = await quantizer.quantize(weights, options);
    same(ranOn.outcome, "non-finite", ranOn.reason);
    sameParts(record, core.quantize(weights, options), quantType);
  }
}

async function fallback(gpu) {
  const error = await errorOf(createQuantizer({ device: "webgpu", gpu }));
  same(error.outcome, "fallback-adapter", error.message);
  const auto = await createQuantizer({ gpu });
  const { record, ranOn } = await auto.quantize(new Float32Array(64));
  same(`${ranOn.device} ${ranOn.outcome}`, `${core.kernels.name} fallback-adapter`, ranOn.reason);
  same(record.codes.length, 32, "codes");
}

async function crossover(gpu) {
  const auto = await createQuantizer({
    gpu,
    allowFallbackAdapter: true,
    crossover: { quantize: 100 },
  });
  const ran = async (count) => (await auto.quantize(new Float32Array(count))).ranOn;
  same((await ran(99)).outcome, "small", "99 elements");
  same((await ran(100)).device, "webgpu", "100 elements");
  auto.dispose();
}

/** A device that is real but for one method. */
const FAULTS = {
  // As Dawn's null backend: everything succeeds, nothing is computed.
  "self-test-failed": (device) => ({ queue: withOwn(device.queue, { submit: () => {} }) }),
  "out-of-memory": () => ({
    popErrorScope: faultyScope("out-of-memory"),
  }),
  validation: () => ({ popErrorScope: faultyScope("validation") }),
  timeout: () => ({ popErrorScope: () => new Promise(() => {}) }),
};

/** Scopes are popped from the last pushed one: internal, out-of-memory, validation. */
function faultyScope(filter) {
  const place = ["internal", "out-of-memory", "validation"].indexOf(filter);
  let count = 0;
  return async () => (count++ === place ? { message: "as the test has it" } : null);
}

function withOwn(target, own) {
  return new Proxy(target, {
    get: (_, name) => {
      if (name in own) return own[name];
      const value = target[name];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function failure(device, gpu, outcome, spoil) {
  const timeoutMs = outcome === "timeout" ? 100 : 30_000;
  const options = () => ({ gpu, gpuDevice: withOwn(device, spoil(device)), timeoutMs });
  const error = await errorOf(createQuantizer({ ...options(), device: "webgpu" }));
  same(error.outcome, outcome, error.message);
  const auto = await createQuantizer(options());
  const { ranOn } = await auto.quantize(new Float32Array(64), {});
  same(`${ranOn.device} ${ranOn.outcome}`, `${core.kernels.name} ${outcome}`, ranOn.reason);
}

async function lost(gpu) {
  const options = { gpu, allowFallbackAdapter: true, crossover: { quantize: 0 } };
  const auto = await createQuantizer(options);
  const weights = inputOf({ dtype: "float32", seed: 3, count: 640 });
  same((await auto.quantize(weights)).ranOn.device, "webgpu", "before");
  auto.device.destroy();
  const { record, ranOn } = await auto.quantize(weights);
  same(`${ranOn.device} ${ranOn.outcome}`, `${core.kernels.name} lost`, ranOn.reason);
  sameParts(record, core.quantize(weights), "after");
}

async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("expected an error, there was none");
}
