// What ggml reaches with one thread, in million f32 values a second: 256 rows of 4096 normal values in
// cache, on a Zen 4 machine. `native`: gcc -O3 for baseline x86-64; `wasm`: the same C by clang -O3 to
// WebAssembly, the faster of scalar and autovectorized SIMD. [quantize, dequantize]; 0: not measured.

/** memcpy of f32 values on that machine, 4 MB and 64 MB. */
export const ANCHOR_MEMCPY = { cache: 10600, memory: 2490 };

export const ANCHORS = {
  F16: { native: [618, 1001], wasm: [0, 0] },
  BF16: { native: [3057, 14640], wasm: [0, 0] },
  Q4_0: { native: [989, 2233], wasm: [327, 5999] },
  Q4_1: { native: [1069, 1742], wasm: [260, 5419] },
  Q5_0: { native: [560, 1181], wasm: [285, 2160] },
  Q5_1: { native: [624, 1158], wasm: [238, 2043] },
  Q8_0: { native: [316, 8512], wasm: [92.6, 2279] },
  Q2_K: { native: [18.1, 1356], wasm: [15.6, 1733] },
  Q3_K: { native: [87, 976], wasm: [63.6, 1106] },
  Q4_K: { native: [15.5, 6733], wasm: [13.7, 1741] },
  Q5_K: { native: [18.7, 5040], wasm: [16.7, 1402] },
  Q6_K: { native: [35.9, 978], wasm: [26.4, 910] },
  IQ4_NL: { native: [5.4, 1015], wasm: [4, 1558] },
  IQ4_XS: { native: [5.4, 1030], wasm: [4.1, 1553] },
  TQ1_0: { native: [254, 4223], wasm: [139, 1770] },
  TQ2_0: { native: [347, 4077], wasm: [145, 2884] },
  MXFP4: { native: [224, 995], wasm: [144, 1606] },
  NVFP4: { native: [40.6, 1017], wasm: [32.8, 1202] },
  Q1_0: { native: [189, 229], wasm: [190, 805] },
  Q2_0: { native: [307, 1206], wasm: [121, 1206] },
};

/** Times native's speed that quantizing is to reach; where none is set, it is a wish. */
export const NATIVE_TARGETS = {
  ...{ Q2_K: 1, Q3_K: 1, Q4_K: 1, Q5_K: 1, Q6_K: 1, IQ4_NL: 1, IQ4_XS: 1 },
  ...{ Q5_0: 1, MXFP4: 1, NVFP4: 1, Q8_0: 3 },
};
export const WASM_TARGET = 2;

/** Types of which dequantizing is to reach 0.8 of memcpy, out of cache. */
export const SIMPLE = [
  ...["F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q1_0", "Q2_0", "TQ1_0", "TQ2_0"],
  ...["MXFP4", "NVFP4", "IQ4_NL"],
];
