/**
 * Node's answers, which every other runtime must give: run by Node 20 in the project that the tarball
 * was installed into. Writes answers.mjs there, a module, because not every runtime reads files.
 * The golden cases come with their outputs; Node must give them too.
 */

import { readFileSync, writeFileSync } from "node:fs";
import * as core from "quantwise";
import * as checkpoint from "quantwise/checkpoint";
import * as gguf from "quantwise/gguf";
import * as linear from "quantwise/linear";
import { QUANT_TYPES, SCHEMES } from "quantwise/schemes";
import { answersOf, blocksHash, embeddingsHash, productsHash, streamed } from "./suite.mjs";

const [goldenFile, checkpointFile, outFile] = process.argv.slice(2);
const golden = JSON.parse(readFileSync(goldenFile, "utf8"));

const SHAPE = [23, 167];
const COUNT = SHAPE[0] * SHAPE[1];
/** One of each family has a tensor of more than a tile, so that memory grows. */
const LARGE = ["nf4", "dynamic8", "llm-int8", "int4", "mxfp4"];
const VARIANTS = {
  codebook: (bits) => [
    {},
    { mode: "cuda" },
    { blockSize: 256 },
    ...(bits === 4 ? [{ doubleQuant: false }] : []),
  ],
  rows: () => [{}, { threshold: 0.75 }, { outlierColumns: [3, 90] }],
  affine: (_, quantType) => [
    {},
    { doubleQuant: true },
    { granularity: "channel", axis: 1 },
    { granularity: "tensor" },
    ...(quantType.startsWith("u") ? [] : [{ symmetric: true }]),
  ],
  float: (_, quantType) => (quantType.startsWith("fp8") ? [{}, { granularity: "channel" }] : [{}]),
};

const computed = QUANT_TYPES.flatMap((quantType) => {
  const { family, bits } = SCHEMES[quantType];
  const inputs = [
    { dtype: "float32", seed: 1, count: COUNT },
    { dtype: "bfloat16", seed: 2, count: COUNT },
    { dtype: "float16", seed: 3, count: COUNT },
  ].map((input) => (input.dtype === "float16" ? halves(input) : input));
  const cases = VARIANTS[family](bits, quantType).flatMap((options) =>
    inputs.map((input) => ({ quantType, input, options: { shape: SHAPE, ...options } })),
  );
  if (LARGE.includes(quantType)) {
    const input = { dtype: "float32", seed: 4, count: 3 * 100_001 };
    cases.push({ quantType, input, options: { shape: [3, 100_001] } });
  }
  return cases.map((one) => ({
    ...one,
    name: `${quantType} ${one.input.dtype} ${JSON.stringify(one.options)}`,
    golden: false,
    expected: answersOf(core, one, "wasm"),
  }));
});

/** Any bits are a float16 but those of infinity and NaN. */
function halves({ seed, count }) {
  let state = seed;
  const bits = Uint16Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 16) & 0xbfff;
  });
  const base64 = Buffer.from(bits.buffer).toString("base64");
  return { dtype: "float16", base64 };
}

const source = readFileSync(checkpointFile);
const model = { modelType: "llama", architectures: ["LlamaForCausalLM"] };
const outputs = [];
for (const quantType of ["nf4", "llm-int8", "int4", "mxfp8"]) {
  const options = { quantType, model };
  const sha = await streamed(checkpoint, source, { ...options, kernels: "wasm" });
  outputs.push({ options, sha });
}

const answers = {
  madeBy: `Node ${process.versions.node}`,
  cases: [...golden, ...computed],
  embeddings: embeddingsHash(core, "wasm"),
  products: productsHash({ core, linear }, "reference"),
  blocks: blocksHash({ gguf }, "reference"),
  stream: { source: source.toString("base64"), outputs },
};
writeFileSync(outFile, `export default ${JSON.stringify(answers)};\n`);
console.log(`${golden.length} golden cases, ${computed.length} of ${answers.madeBy}`);
