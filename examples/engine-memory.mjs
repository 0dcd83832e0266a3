// An engine keeps its weights in WebAssembly memory of its own. The kernels work there: nothing is
// copied, neither on the way in nor on the way out.

import { createKernelSet } from "quantwise/kernels";
import { NF4 } from "quantwise/schemes";

// The engine: a memory, and an allocator that here only ever moves on.
const memory = new WebAssembly.Memory({ initial: 1 });
let used = 1024;
function allocate(byteCount) {
  const ptr = used;
  used = Math.ceil((ptr + byteCount) / 16) * 16;
  const missing = used - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65_536));
  return ptr;
}

const { kernels, report } = createKernelSet("auto", { host: { memory, allocate } });
console.log(`kernels: ${report.name}, ${report.reason}`);

const count = 1 << 20;
const blockSize = 64;
const weightsPtr = allocate(4 * count);
const codesPtr = allocate(count / 2);
const absmaxPtr = allocate((4 * count) / blockSize);

const weights = new Float32Array(memory.buffer, weightsPtr, count);
for (let i = 0; i < count; i++) weights[i] = Math.sin(i);

const places = [codesPtr, absmaxPtr];
const bad = kernels.quantize4(NF4, "torch", "float32", weightsPtr, ...places, count, blockSize);
if (bad >= 0) throw new Error(`block ${bad} holds NaN or infinity`);

const layerPtr = allocate(4 * count);
kernels.dequantize4(NF4, "float32", ...places, layerPtr, count, blockSize);
// The memory may have grown: views are made anew.
const before = new Float32Array(memory.buffer, weightsPtr, count);
const after = new Float32Array(memory.buffer, layerPtr, count);
const largest = after.reduce((worst, w, i) => Math.max(worst, Math.abs(w - before[i])), 0);
console.log(`${count} weights in ${count / 2} bytes, largest error ${largest.toFixed(3)}`);
