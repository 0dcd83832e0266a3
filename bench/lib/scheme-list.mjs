// The schemes that are compared, and what `quantize` is told for each.

/** @typedef {{ name: string, options: import("quantwise").CodingOptions }} Scheme */

/** The library's default at 4 bits in blocks is double quantization: here it is always said. */
const plainAndDouble = (name, options) => [
  { name, options: { ...options, doubleQuant: false } },
  { name: `${name} +dq`, options: { ...options, doubleQuant: true } },
];

const affine = (quantType, blockSizes) => [
  ...["tensor", "channel"].flatMap((granularity) =>
    [false, true].map((symmetric) => ({
      name: `${quantType} ${granularity}${symmetric ? " sym" : ""}`,
      options: { quantType, granularity, symmetric },
    })),
  ),
  ...blockSizes.flatMap((blockSize) =>
    [false, true].flatMap((symmetric) =>
      plainAndDouble(`${quantType} ${blockSize}${symmetric ? " sym" : ""}`, {
        quantType,
        granularity: "block",
        blockSize,
        symmetric,
      }),
    ),
  ),
];

const codebook = (quantType, blockSizes) =>
  blockSizes.flatMap((blockSize) =>
    plainAndDouble(`${quantType} ${blockSize}`, { quantType, blockSize }),
  );

/** "nf4 64 +dq": quant type, block size, double quantization. Affine: zero points unless "sym". */
export const SCHEMES = /** @type {readonly Scheme[]} */ ([
  ...affine("int8", [32, 64, 128]),
  { name: "llm-int8", options: { quantType: "llm-int8" } },
  { name: "dynamic8 64", options: { quantType: "dynamic8", blockSize: 64 } },
  { name: "dynamic8 4096", options: { quantType: "dynamic8", blockSize: 4096 } },
  { name: "fp8-e4m3 tensor", options: { quantType: "fp8-e4m3" } },
  { name: "fp8-e4m3 channel", options: { quantType: "fp8-e4m3", granularity: "channel" } },
  { name: "fp8-e5m2 tensor", options: { quantType: "fp8-e5m2" } },
  { name: "mxfp8", options: { quantType: "mxfp8" } },
  { name: "mxfp8-e5m2", options: { quantType: "mxfp8-e5m2" } },
  ...affine("int4", [32, 64, 128]),
  ...codebook("nf4", [32, 64, 128]),
  ...codebook("af4", [64]),
  ...codebook("fp4", [64]),
  { name: "mxfp4", options: { quantType: "mxfp4" } },
  { name: "nvfp4", options: { quantType: "nvfp4" } },
]);

/** @throws Error listing the names */
export function schemeNamed(name) {
  const scheme = SCHEMES.find((candidate) => candidate.name === name);
  if (scheme !== undefined) return scheme;
  throw new Error(`no scheme "${name}"; there are ${SCHEMES.map((each) => each.name).join(", ")}`);
}
