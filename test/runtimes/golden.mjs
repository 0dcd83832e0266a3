/** Cases from test/vectors: inputs and outputs that none of our code made. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const VECTORS = new URL("../vectors/", import.meta.url);

/** A few cases of every scheme that has vectors, small enough to travel; or all there are. */
export function goldenCases(all = false) {
  return [...bitsandbytes(all), ...floats(all)];
}

function bitsandbytes(all) {
  const { groups } = JSON.parse(readFileSync(new URL("bitsandbytes/manifest.json", VECTORS)));
  const found = [];
  const take = (file, limit, kind, toCase) => {
    const { cases } = groups.find((group) => group.file === file);
    const tensor = safetensors(`bitsandbytes/${file}`);
    const taken = new Map();
    for (const golden of cases) {
      if (golden.platform_defined || golden.transpose_input_first) continue;
      if (
        !all &&
        golden.shape.reduce((a, b) => a * b, 1) < 256 &&
        file !== "int8_rowwise.safetensors"
      ) {
        continue;
      }
      const key = kind(golden);
      if (key === undefined || (!all && (taken.get(key) ?? 0) >= limit)) continue;
      taken.set(key, (taken.get(key) ?? 0) + 1);
      found.push(toCase(golden, tensor));
    }
  };
  const base = ({ id, dtype, shape, input }, tensor) => ({
    name: `bitsandbytes ${id}`,
    golden: true,
    input: { dtype: DTYPES[dtype], base64: tensor(input).toString("base64") },
    options: { shape },
  });
  const plain4Bit = (golden, tensor) => {
    const one = base(golden, tensor);
    return {
      ...one,
      quantType: golden.quant_type,
      options: { ...one.options, blockSize: golden.blocksize, doubleQuant: false },
      expected: {
        codes: sha256(tensor(golden.tensors.weight)),
        absmax: sha256(tensor(golden.tensors.absmax)),
      },
    };
  };
  const kind4Bit = ({ quant_type, dtype }) => `${quant_type} ${dtype}`;
  if (all) take("q4_grid.safetensors", 0, kind4Bit, plain4Bit);
  take("q4_dist.safetensors", 2, kind4Bit, plain4Bit);
  take(
    "q4_nested.safetensors",
    1,
    ({ quant_type, shape }) => (shape[0] < 20_000 ? quant_type : undefined),
    (golden, tensor) => {
      const one = base(golden, tensor);
      const bits = Uint32Array.of(Number(golden.nested_offset_f32_hex));
      const [nestedOffset] = new Float32Array(bits.buffer);
      return {
        ...one,
        quantType: golden.quant_type,
        options: { ...one.options, blockSize: golden.blocksize, doubleQuant: true, nestedOffset },
        expected: {
          codes: sha256(tensor(golden.tensors.weight)),
          absmax: sha256(tensor(golden.tensors["default.absmax"])),
          "nested.absmax": sha256(tensor(golden.tensors["default.nested_absmax"])),
        },
      };
    },
  );
  take(
    "q8_blockwise.safetensors",
    2,
    ({ code, dtype }) => (code === "map/dynamic" ? dtype : undefined),
    (golden, tensor) => {
      const one = base(golden, tensor);
      return {
        ...one,
        quantType: "dynamic8",
        options: { ...one.options, blockSize: golden.blocksize },
        expected: {
          codes: sha256(tensor(golden.tensors["default.q"])),
          absmax: sha256(tensor(golden.tensors["default.absmax"])),
        },
      };
    },
  );
  take(
    "int8_rowwise.safetensors",
    3,
    ({ threshold, dtype }) => (threshold === 0 ? dtype : undefined),
    (golden, tensor) => ({
      ...base(golden, tensor),
      quantType: "llm-int8",
      expected: {
        codes: sha256(tensor(golden.tensors.weight)),
        scb: sha256(tensor(golden.tensors.SCB)),
      },
    }),
  );
  return found;
}

const DTYPES = { f32: "float32", f16: "float16", bf16: "bfloat16" };

const GRAINS = {
  tensor: { granularity: "tensor" },
  row: { granularity: "channel", axis: 0 },
  group32: { granularity: "block", blockSize: 32, doubleQuant: false },
};

function floats(all) {
  const { files } = JSON.parse(readFileSync(new URL("floats/manifest.json", VECTORS)));
  const found = [];
  const taken = new Map();
  for (const { file, cases } of files) {
    if (file === "casts.safetensors") continue;
    const tensor = safetensors(`floats/${file}`);
    for (const golden of cases) {
      const { scheme, mode = "", layout = "", block, tensors } = golden;
      const key = [scheme, mode, layout, layout === "" ? block : ""].join(" ");
      if (!all && (taken.get(key) ?? 0) >= 2) continue;
      taken.set(key, (taken.get(key) ?? 0) + 1);
      const quantType = scheme.replace("_", "-").replace("mxfp8-e4m3", "mxfp8");
      const grain =
        layout !== ""
          ? GRAINS[layout]
          : scheme.startsWith("fp8") && block !== null
            ? { granularity: "block", blockSize: block }
            : {};
      const codes = tensor(tensors.codes);
      const count = golden.shape.reduce((a, b) => a * b, 1);
      const is4Bit = /4/.test(quantType) && !/8/.test(quantType);
      found.push({
        name: `floats ${golden.id}`,
        golden: true,
        quantType,
        input: { dtype: "float32", base64: tensor(tensors.input).toString("base64") },
        options: {
          shape: golden.shape,
          ...grain,
          ...(mode === "symmetric" ? { symmetric: true } : {}),
        },
        expected: {
          codes: sha256(is4Bit && codes.length === count ? packed(codes) : codes),
          scale: sha256(tensor(tensors.scales)),
          restored: sha256(tensor(tensors.dequant)),
          ...(tensors.tensor_scale === undefined
            ? {}
            : { tensorScale: sha256(tensor(tensors.tensor_scale)) }),
        },
      });
    }
  }
  return found;
}

/** One code a byte to two, the even element in the low nibble. */
function packed(codes) {
  const bytes = Buffer.alloc(Math.ceil(codes.length / 2));
  codes.forEach((code, i) => {
    bytes[i >> 1] |= (code & 15) << (4 * (i % 2));
  });
  return bytes;
}

function safetensors(path) {
  const file = readFileSync(new URL(path, VECTORS));
  const headerBytes = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + headerBytes));
  return (key) => {
    const [begin, end] = header[key].data_offsets;
    return file.subarray(8 + headerBytes + begin, 8 + headerBytes + end);
  };
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}
