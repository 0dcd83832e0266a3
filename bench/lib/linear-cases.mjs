// What ONNX Runtime and the kernels both do: codes from values and values from codes, with given scales.

import { fillNormal } from "./kernel-rows.mjs";
import { COPIES, constantsOf, innerSession, linearNode, wholeSession } from "./onnx-linear.mjs";

const LAYOUTS = [
  { format: "INT8", blockSize: undefined },
  { format: "INT8", blockSize: 64 },
  { format: "UINT8", blockSize: undefined, hasZeroPoint: true },
  { format: "INT4", blockSize: 64 },
];
/** Values that go through a window of WebAssembly memory at once. */
const WINDOW = 1 << 18;

/** @returns cases whose `prepare` gives contestants for `interleaveAfter`, from arrays to arrays and of the kernel */
export function linearCases(library, rows, columns) {
  const count = rows * columns;
  const values = new Float32Array(count);
  fillNormal(values);
  const cases = LAYOUTS.flatMap((layout) => {
    const own = ownLinear(library, values, columns, layout);
    const what = `${layout.format.toLowerCase()} ${layout.blockSize === undefined ? "per tensor" : "blocks of 64"}`;
    return ["QuantizeLinear", "DequantizeLinear"].map((operator) => ({
      name: `${operator}, ${what}`,
      prepare: (runtimes) => prepareLinear(operator, own, values, [rows, columns], runtimes),
    }));
  });
  return [...cases, dynamicCase(library, values)];
}

/** Ours: over addresses, and from arrays to arrays through a window. */
function ownLinear({ createKernelSet, ...schemes }, values, columns, layout) {
  const { format: name, blockSize, hasZeroPoint = false } = layout;
  const format = schemes[name];
  const count = values.length;
  const scaleCount = blockSize === undefined ? 1 : count / blockSize;
  const scales = Float32Array.from({ length: scaleCount }, (_, i) => 0.001 * (1 + (i % 7) / 10));
  const zeroPoints = hasZeroPoint ? Uint8Array.of(117) : undefined;

  const { kernels } = createKernelSet();
  const [valuesPtr, codesPtr, packedPtr, scalePtr, zeroPointPtr] = [
    4 * count,
    count,
    count,
    4 * scaleCount,
    16,
  ].map((bytes) => kernels.allocate(bytes));
  const floats = (ptr, length) => new Float32Array(kernels.buffer, ptr, length);
  const bytes = (ptr, length) => new Uint8Array(kernels.buffer, ptr, length);
  floats(valuesPtr, count).set(values);
  floats(scalePtr, scaleCount).set(scales);
  if (hasZeroPoint) floats(zeroPointPtr, 1).set(zeroPoints);
  const zeroPtr = hasZeroPoint ? zeroPointPtr : 0;
  const runs = {
    rowLength: blockSize === undefined ? count : columns,
    runLength: blockSize ?? count,
    startColumn: 0,
    firstScale: 0,
    scaleCount,
  };
  const packs = format.bits === 4;
  const quantize = (source, firstScale, length) => {
    const place = { ...runs, firstScale };
    kernels.quantizeAffine(format, source, scalePtr, zeroPtr, codesPtr, length, place);
    if (packs) kernels.packNibbles(codesPtr, packedPtr, length);
  };
  const dequantize = (target, firstScale, length) => {
    if (packs) kernels.unpackNibbles(packedPtr, codesPtr, length, format.signed);
    const place = { ...runs, firstScale };
    kernels.dequantizeAffine(format, codesPtr, scalePtr, zeroPtr, target, length, place);
  };
  const storedPtr = packs ? packedPtr : codesPtr;
  const storedBytes = (length) => (packs ? length / 2 : length);
  const codes = new Uint8Array(storedBytes(count));
  const decoded = new Float32Array(count);
  const eachWindow = (visit) => {
    const window = Math.min(WINDOW, count);
    for (let at = 0; at < count; at += window) {
      visit(at, window, blockSize === undefined ? 0 : at / blockSize);
    }
  };
  return {
    format,
    layout: { blockSize, scales, zeroPoints },
    codes,
    decoded,
    kernel: {
      QuantizeLinear: () => quantize(valuesPtr, 0, count),
      DequantizeLinear: () => dequantize(valuesPtr, 0, count),
    },
    arrays: {
      QuantizeLinear: () => {
        eachWindow((at, length, firstScale) => {
          floats(valuesPtr, length).set(values.subarray(at, at + length));
          quantize(valuesPtr, firstScale, length);
          const size = storedBytes(length);
          codes.set(bytes(storedPtr, size), storedBytes(at));
        });
      },
      DequantizeLinear: () => {
        eachWindow((at, length, firstScale) => {
          const from = storedBytes(at);
          bytes(storedPtr, storedBytes(length)).set(
            codes.subarray(from, from + storedBytes(length)),
          );
          dequantize(valuesPtr, firstScale, length);
          decoded.set(floats(valuesPtr, length), at);
        });
      },
    },
  };
}

async function prepareLinear(operator, own, values, shape, runtimes) {
  const { format, codes, decoded } = own;
  const layout = { shape, ...own.layout };
  const node = linearNode(operator, format.name, layout);
  const constants = constantsOf(format.name, layout);
  const isQuantize = operator === "QuantizeLinear";
  const isWhole = format.bits === 8; // JavaScript neither gives nor takes tensors of 4 bits
  own.arrays.QuantizeLinear();
  own.arrays[operator]();
  const expected = isQuantize ? codes : new Uint8Array(decoded.buffer);
  const kernel = { ours: own.kernel[operator] };
  const arrays = isWhole ? { ours: own.arrays[operator] } : {};

  const wide = { type: "float32", shape };
  const narrow = { type: format.name, shape };
  const [from, to] = isQuantize ? [wide, narrow] : [narrow, wide];
  const signed = format.signed ? new Int8Array(codes.buffer) : codes;
  const data = isQuantize ? values : signed;
  const stored = isQuantize ? undefined : codes;
  for (const [name, runtime] of Object.entries(runtimes)) {
    if (isWhole) {
      const run = await wholeSession(runtime, node, from, to, constants);
      checkSame(bytesOf(await run(data)), expected, `${name} ${operator} ${format.name}`);
      arrays[name] = () => run(data);
    }
    const one = await innerSession(runtime, node, from, constants, 1, stored);
    const more = await innerSession(runtime, node, from, constants, 1 + COPIES, stored);
    kernel[`one ${name}`] = () => one(data);
    kernel[`more ${name}`] = () => more(data);
  }
  return { arrays, kernel };
}

/** The range, its scale and zero point, and the codes. */
function dynamicCase({ quantize }, values) {
  const options = { quantType: "uint8", granularity: "tensor" };
  const node = { operator: "DynamicQuantizeLinear", attributes: {} };
  const input = { type: "float32", shape: [values.length] };
  return {
    name: "DynamicQuantizeLinear, uint8",
    async prepare(runtimes) {
      const arrays = { ours: () => quantize(values, options) };
      const { codes } = quantize(values, options);
      for (const [name, runtime] of Object.entries(runtimes)) {
        const output = { ...input, type: "uint8" };
        const run = await wholeSession(runtime, node, input, output, []);
        const theirs = await run(values);
        if (theirs.some((code, i) => Math.abs(code - codes[i]) > 1)) {
          throw new Error(`${name} DynamicQuantizeLinear: codes are not ours`);
        }
        arrays[name] = () => run(values);
      }
      return { arrays, kernel: {} };
    },
  };
}

function checkSame(actual, expected, name) {
  const wrong = actual.findIndex((byte, i) => byte !== expected[i]);
  if (wrong < 0 && actual.length === expected.length) return;
  throw new Error(`${name}: byte ${wrong} is ${actual[wrong]}, ours ${expected[wrong]}`);
}

const bytesOf = ({ buffer, byteOffset, byteLength }) =>
  new Uint8Array(buffer, byteOffset, byteLength);
