/** What the form offers, as `quantwise quantize` calls it. */

const BLOCKS = [32, 64, 128, 256, 512, 1024, 2048, 4096];

export const SCHEMES = [
  { type: "nf4", words: "NF4: 4-bit, bitsandbytes", blocks: BLOCKS, hasDouble: true },
  { type: "fp4", words: "FP4: 4-bit, bitsandbytes", blocks: BLOCKS, hasDouble: true },
  { type: "llm-int8", words: "LLM.int8: 8-bit, bitsandbytes" },
  { type: "int4", words: "INT4, scale and zero point", blocks: [32, 64, 128], hasDouble: true },
  { type: "mxfp4", words: "MXFP4, OCP Microscaling" },
  { type: "nvfp4", words: "NVFP4" },
  { type: "fp8-e4m3", words: "FP8 E4M3" },
];
