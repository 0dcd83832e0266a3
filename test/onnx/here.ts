/** The kernel sets on the layouts of cuts.ts. */

import type { AffineFormat } from "../../src/schemes/affine.ts";
import { IMPLEMENTATIONS } from "../kernels/implementations.ts";
import { RunHarness } from "../kernels/run-calls.ts";
import type { Layout } from "./cuts.ts";
import type { Parameters } from "./onnx-runtime.ts";

const CAPACITY = 2048;

export const SETS = IMPLEMENTATIONS.map(({ name, create }) => ({
  name,
  harness: new RunHarness(create(), CAPACITY),
}));

const packer = SETS[0]?.harness as RunHarness;

/** As the runtime stores codes and zero points. */
export function onnxBytes(format: AffineFormat, codes: Uint8Array): Uint8Array {
  return format.bits === 4 ? packer.packNibbles(codes) : codes;
}

export function parametersOf(
  format: AffineFormat,
  { scaleShape }: Layout,
  scales: Float32Array,
  zeroPoints: Float32Array | undefined,
): Parameters {
  const codes =
    zeroPoints &&
    onnxBytes(
      format,
      Uint8Array.from(zeroPoints, (z) => z & 0xff),
    );
  return { shape: scaleShape, scales, zeroPoints: codes };
}

export function quantizeHere(
  harness: RunHarness,
  format: AffineFormat,
  { calls }: Layout,
  values: Float32Array,
  scales: Float32Array,
  zeroPoints: Float32Array | undefined,
): Uint8Array {
  const parts = calls.map(({ from, to, firstScale, runs }) =>
    harness.quantizeAffine(
      format,
      values.slice(from, to),
      scales.slice(firstScale, firstScale + runs.scaleCount),
      zeroPoints?.slice(firstScale, firstScale + runs.scaleCount),
      runs,
    ),
  );
  return Buffer.concat(parts);
}

export function dequantizeHere(
  harness: RunHarness,
  format: AffineFormat,
  { calls }: Layout,
  codes: Uint8Array,
  scales: Float32Array,
  zeroPoints: Float32Array | undefined,
): Uint8Array {
  const parts = calls.map(({ from, to, firstScale, runs }) =>
    harness.dequantizeAffine(
      format,
      codes.slice(from, to),
      scales.slice(firstScale, firstScale + runs.scaleCount),
      zeroPoints?.slice(firstScale, firstScale + runs.scaleCount),
      runs,
    ),
  );
  return Buffer.concat(parts);
}
