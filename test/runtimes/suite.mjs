/**
 * The suite that every runtime runs: plain ECMAScript, no framework, nothing but what the runtime
 * has. A runner hands it the doors of the packed package and the answers that Node gave.
 */

import { inputOf, partsOf } from "./records.mjs";
import { sha256 } from "./sha256.mjs";

/**
 * @param doors     the modules `core`, `schemes`, `safetensors`, `checkpoint`, `linear` and `gguf`
 * @param answers   what answers.mjs wrote
 * @param expected  lib/expected.mjs: `kernels`: "wasm" or "reference"; `simd`: "relaxed", "baseline"
 *                  or "none"; `because`: words of the reason;
 *                  `module`: a compiled kernels.wasm, for the streams of runtimes that forbid bytes;
 *                  `onlySmall`: no tensors of more than a tile, for interpreters
 * @returns the kernels that ran, why, and every check with its problem, if any
 */
export async function run(doors, answers, expected) {
  const { core } = doors;
  const { check, checks } = checklist();

  let report = { name: "none", simd: "none", reason: "did not load" };
  await check("load: the doors are there", () => {
    for (const name of ["quantize", "dequantize", "quantizeEmbeddings"]) {
      same(typeof core[name], "function", name);
    }
    same(typeof doors.schemes.createDynamicMap, "function", "schemes");
    same(typeof doors.safetensors.openSafetensors, "function", "safetensors");
    same(typeof doors.checkpoint.Plan, "function", "checkpoint");
    const refused = thrown(() => doors.checkpoint.parseRule(""));
    same(refused instanceof core.ArgumentError, true, "one copy");
    report = { ...core.kernels };
  });
  await check("kernels: what was expected, and it says why", () => {
    same(report.name, expected.kernels, `kernels (${report.reason})`);
    same(report.simd, expected.simd, `SIMD (${report.reason})`);
    const words = expected.because ?? "relaxed: validated and self-tested";
    if (!report.reason.includes(words)) throw new Error(`"${report.reason}" lacks "${words}"`);
  });
  await check(`kernels: "wasm" ${expected.kernels === "wasm" ? "runs" : "throws"}`, () => {
    const call = () => core.quantize(new Float32Array(64), { kernels: "wasm" });
    if (expected.kernels === "wasm") {
      // From here on "wasm" is the baseline build, and "auto" what this runtime chooses.
      const made = withoutRelaxedSimd(call);
      same(`${made.kernels.name} ${made.kernels.simd}`, "wasm baseline", "kernels");
      return;
    }
    const error = thrown(call);
    same(error.code, "UNSUPPORTED", "code");
    same(error instanceof core.UnsupportedError, true, "instanceof");
  });

  // Where "auto" is the baseline build or the reference, once is enough.
  const choices = { relaxed: ["auto", "wasm", "reference"], baseline: ["auto", "reference"] }[
    report.simd
  ] ?? ["auto"];
  for (const quantType of doors.schemes.QUANT_TYPES) {
    const cases = answers.cases.filter(
      (one) => one.quantType === quantType && !(expected.onlySmall && one.input.count > 100_000),
    );
    await check(`bytes: ${quantType}`, () => {
      if (cases.length === 0) throw new Error("no case");
      for (const one of cases) for (const kernels of choices) checkCase(core, one, kernels);
    });
  }
  await check("bytes: embeddings", () => {
    for (const kernels of choices) {
      same(embeddingsHash(core, kernels), answers.embeddings, kernels);
    }
  });
  await check("products: the bits of Node's, with compressed weights", () => {
    const weights = doors.linear.prepareLinear(
      core.quantize(new Float32Array(64), { shape: [1, 64] }),
    );
    same(
      `${weights.kernels.name} ${weights.kernels.simd}`,
      `${report.name} ${report.simd}`,
      "linear",
    );
    weights.dispose();
    for (const kernels of choices) same(productsHash(doors, kernels), answers.products, kernels);
  });
  await check("blocks: the bits of Node's, in every type of ggml", () => {
    same(doors.gguf.blockKernels().name, report.name, "ggml");
    for (const kernels of ["auto", "reference"]) {
      same(blocksHash(doors, kernels), answers.blocks, kernels);
    }
  });
  const { module } = expected;
  await check("stream: a checkpoint, in odd chunks", async () => {
    const source = bytesOfBase64(answers.stream.source);
    for (const { options, sha } of answers.stream.outputs) {
      for (const kernels of choices) {
        same(await streamed(doors.checkpoint, source, { ...options, kernels }), sha, kernels);
      }
    }
  });
  if (module !== undefined) {
    await check("stream: with a module of the caller", async () => {
      const source = bytesOfBase64(answers.stream.source);
      const stream = new doors.checkpoint.QuantizeSafetensorsStream({ kernels: "wasm", module });
      same(stream.kernels.name, "wasm", "kernels");
      const [{ options, sha }] = answers.stream.outputs;
      same(
        await streamed(doors.checkpoint, source, { ...options, kernels: "wasm", module }),
        sha,
        "bytes",
      );
    });
  }
  await check("errors: a wrong option is named", () => {
    const error = thrown(() => core.quantize(new Float32Array(64), { blockSize: 63 }));
    same(error instanceof core.ArgumentError, true, "instanceof");
    same(`${error.name} ${error.code} ${error.argument}`, "ArgumentError ARGUMENT blockSize");
    if (!/blockSize: expected one of 32, 64.*received 63/.test(error.message)) throw error;
  });
  await check("errors: NaN is refused", () => {
    const error = thrown(() => core.quantize(Float32Array.of(1, NaN)));
    same(error instanceof core.NonFiniteError, true, "instanceof");
  });
  await check("errors: a broken stream says what is wrong with it", async () => {
    const error = await streamed(doors.checkpoint, new Uint8Array(64).fill(0x7b), {}).then(
      () => new Error("nothing was thrown"),
      (reason) => reason,
    );
    same(error instanceof core.FormatError, true, `${error}: instanceof`);
    if (!error.message.startsWith("stream, byte 0: ")) throw error;
  });
  return { kernels: report, checks };
}

/** Collects what was checked, and what came of it. */
export function checklist() {
  const checks = [];
  const check = async (name, body) => {
    try {
      await body();
      checks.push({ name, problem: "" });
    } catch (error) {
      checks.push({ name, problem: `${error?.name}: ${error?.message ?? error}` });
    }
  };
  return { check, checks };
}

/** What quantwise makes of a case, part by part. */
export function answersOf(core, { quantType, options, input }, kernels) {
  const record = core.quantize(inputOf(input), {
    ...options,
    quantType,
    dtype: input.dtype,
    kernels,
  });
  const restored = core.dequantize(record, { kernels, dtype: "float32" });
  return hashes({ ...partsOf(record), restored });
}

function checkCase(core, one, kernels) {
  const actual = answersOf(core, one, kernels);
  for (const [part, sha] of Object.entries(one.expected)) {
    same(actual[part], sha, `${one.name}, ${kernels}, ${part}`);
  }
}

function hashes(parts) {
  return Object.fromEntries(Object.entries(parts).map(([name, array]) => [name, sha256(array)]));
}

export function embeddingsHash(core, kernels) {
  const embeddings = inputOf({ dtype: "float32", seed: 5, count: 48 * 96 });
  const options = { dimensions: 96, kernels };
  const parts = ["int8", "uint8", "binary", "ubinary"].map((precision) =>
    sha256(core.quantizeEmbeddings(embeddings, { ...options, precision }).codes),
  );
  return parts.join(" ");
}

const SHAPE = [23, 160];

/** Weights that the kernels read as they are, others that are decoded, and both kinds of activations. */
export function productsHash({ core, linear }, kernels) {
  const weights = inputOf({ dtype: "float32", seed: 6, count: SHAPE[0] * SHAPE[1] });
  const options = { shape: SHAPE, kernels };
  const records = [
    core.quantize(weights, { ...options, quantType: "nf4" }),
    core.quantize(weights, { ...options, quantType: "uint4", blockSize: 32 }),
    core.quantize(weights, { ...options, quantType: "uint8", granularity: "tensor" }),
    core.quantize(weights, { ...options, quantType: "llm-int8", outlierColumns: [3, 90] }),
    core.quantize(weights, { ...options, quantType: "nvfp4" }),
    core.quantize(weights, { ...options, quantType: "fp4", shape: [160, 23] }),
  ];
  return records
    .flatMap((record) =>
      [1, 5].flatMap((batch) => {
        const x = inputOf({ dtype: "float32", seed: batch, count: batch * record.shape[1] });
        const float = linear.linear(x, record, { kernels });
        const isCoded = record.shape[1] % 32 === 0 && record.quantType !== "nvfp4";
        const coded = isCoded ? [linear.linear(x, record, { kernels, activations: "int8" })] : [];
        return [float, ...coded].map(sha256);
      }),
    )
    .join(" ");
}

/** Every block type, there and back. */
export function blocksHash({ gguf }, kernels) {
  const weights = inputOf({ dtype: "float32", seed: 8, count: 1280 });
  return gguf.BLOCK_TYPES.flatMap((type) => {
    const blocks = gguf.quantizeBlocks(weights, { type, kernels });
    return [sha256(blocks), sha256(gguf.dequantizeBlocks(blocks, { type, kernels }))];
  }).join(" ");
}

/** sha256 of what comes out when `source` goes in, by an odd number of bytes at a time. */
export async function streamed(checkpoint, source, options) {
  const stream = new checkpoint.QuantizeSafetensorsStream(options);
  const CHUNK = 40_961;
  let begin = 0;
  const input = new ReadableStream({
    pull(controller) {
      if (begin >= source.length) return controller.close();
      controller.enqueue(source.slice(begin, begin + CHUNK));
      begin += CHUNK;
    },
  });
  const reader = input.pipeThrough(stream).getReader();
  const chunks = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
  }
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let end = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return sha256(bytes);
}

export function bytesOfBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** What `call` gives in an engine that takes no relaxed SIMD. */
function withoutRelaxedSimd(call) {
  const { validate } = WebAssembly;
  WebAssembly.validate = () => false;
  try {
    return call();
  } finally {
    WebAssembly.validate = validate;
  }
}

export function same(actual, expected, what = "value") {
  if (actual !== expected) {
    throw new Error(`${what}: expected ${String(expected)}, received ${String(actual)}`);
  }
}

function thrown(call) {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
