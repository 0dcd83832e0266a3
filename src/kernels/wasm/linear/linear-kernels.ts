/** The linear kernels on WebAssembly SIMD. */

import { UnsupportedError } from "../../../foundation/errors.ts";
import type { LinearKernels, LinearLevels, WeightRows } from "../../linear-kernels.ts";
import { growTo } from "../instantiate.ts";
import { LINEAR_ABI_VERSION, LINEAR_EXPORT_NAMES, type LinearExports } from "./exports.ts";
import { INTEGER_LEVELS_PTR, LEVELS_PTR, linearLevelsTable } from "./levels.ts";

/**
 * New ones with a memory of their own.
 *
 * @throws UnsupportedError when `module` is not a linear.wasm of our version
 */
export function createWasmLinearKernels(module: WebAssembly.Module): LinearKernels {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(module, { env: { memory, abort: refuse } });
  const exports = checkedExports(instance);
  let installed: LinearLevels | undefined;
  const install = (levels: LinearLevels) => {
    if (installed === levels) return;
    new Uint8Array(memory.buffer).set(linearLevelsTable(levels), LEVELS_PTR);
    new Int8Array(memory.buffer).set(levels.integers, INTEGER_LEVELS_PTR);
    installed = levels;
  };
  return {
    name: "wasm",
    simd: exports.isRelaxed() === 1 ? "relaxed" : "baseline",
    heapBase: exports.heapBase(),
    get buffer() {
      return memory.buffer;
    },
    growTo: (end) => growTo(memory, end),

    dot(codes, rows, xPtr, yPtr) {
      const { codesPtr, scalePtr, zeroPointPtr, rowCount, columnCount, groupLength } = rows;
      const places = [codesPtr, scalePtr, zeroPointPtr, xPtr, yPtr] as const;
      if (codes.bits === 8) {
        exports.dotCode8(...places, rowCount, columnCount, groupLength, codes.factor);
      } else {
        install(codes.levels);
        exports.dotCode4(...places, rowCount, columnCount, groupLength);
      }
    },

    decode(codes, rows, start, count, valuesPtr, valueStride) {
      const { columnCount, groupLength, rowCount } = rows;
      const group = Math.floor(start / groupLength);
      const codeBytes = codes.bits / 8;
      const places = [
        rows.codesPtr + start * codeBytes,
        columnCount * codeBytes,
        rows.scalePtr + 4 * group,
        scaleStride(rows),
        rows.zeroPointPtr === 0 ? 0 : rows.zeroPointPtr + 2 * group,
        valuesPtr,
        valueStride,
      ] as const;
      if (codes.bits === 8) {
        exports.decodeCode8(...places, rowCount, count, groupLength, codes.factor);
      } else {
        install(codes.levels);
        exports.decodeCode4(...places, rowCount, count, groupLength);
      }
    },

    addProducts: (...call) => exports.addProducts(...call),
    finishSums: (...call) => exports.finishSums(...call),
    addAndClean: (...call) => exports.addAndClean(...call),

    quantizeActivations: (bits, ...call) =>
      exports.quantizeActivations(...call, bits === 4 ? 1 : 0),

    dotInt8(codes, rows, xCodesPtr, groupSumsPtr, factor, yPtr) {
      const { codesPtr, scalePtr, zeroPointPtr, rowCount, columnCount, groupLength } = rows;
      if (codes.bits === 4) install(codes.levels);
      const kernel = codes.bits === 4 ? exports.dotInt8Code4 : exports.dotInt8Code8;
      const places = [codesPtr, scalePtr, zeroPointPtr, xCodesPtr, groupSumsPtr, yPtr] as const;
      kernel(...places, rowCount, columnCount, groupLength, factor);
    },

    widen(from, ...places) {
      if (from === "float16") exports.widenF16ToF32(...places);
      else exports.widenBf16ToF32(...places);
    },
    narrow(to, ...places) {
      if (to === "float16") exports.narrowF32ToF16(...places);
      else exports.narrowF32ToBf16(...places);
    },
  };
}

function checkedExports(instance: WebAssembly.Instance): LinearExports {
  // The engine types exports as unknown; the check that follows is what makes this true.
  const exports = instance.exports as unknown as LinearExports;
  const missing = LINEAR_EXPORT_NAMES.filter((name) => typeof exports[name] !== "function");
  if (missing.length > 0 || exports.abiVersion() !== LINEAR_ABI_VERSION) {
    throw new UnsupportedError(
      `kernels: expected a linear.wasm with ABI ${LINEAR_ABI_VERSION}, received ` +
        (missing.length > 0 ? `one without ${missing.join(", ")}` : `ABI ${exports.abiVersion()}`),
    );
  }
  return exports;
}

function scaleStride({ columnCount, groupLength }: WeightRows): number {
  return 4 * (columnCount / groupLength);
}

/** Only the debug build imports it: an assertion failed. */
function refuse(_message: number, _file: number, line: number, column: number): never {
  throw new Error(`kernel assertion failed at ${line}:${column}`);
}
