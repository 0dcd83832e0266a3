// The main rows of the kernel benchmark, in whatever engine this runs: plain ECMAScript and a clock.
// engines.bench.mjs bundles it with the library.

import * as library from "quantwise-source";
import { kernelRows } from "./kernel-rows.mjs";
import { interleave, QUICK, speedRatio, spread } from "./measure.mjs";

/** Clocks of pages step by 5 µs at best. */
const PACE = { warmMs: 60, sampleMs: 2 };

/**
 * @param {{ engine: string, sizes: { count: number, rounds: number }[], quick: boolean }} job
 * @returns which kernels ran, and for each size the rows that have a target: rates and ratios to memcpy
 */
export function measure({ engine, sizes, quick }) {
  const { report } = library.createKernelSet();
  const tables = sizes.map(({ count, rounds }) => {
    const { kernels } = library.createKernelSet();
    const rows = kernelRows(kernels, library, count, engine).filter(
      ({ targets }) => targets.memcpy !== undefined,
    );
    const measured = rows.map(({ name, contestants: { memcpy, ours }, targets }) => {
      const samples = interleave({ memcpy, ours }, rounds, quick ? QUICK : PACE);
      const rate = (times) => spread(times.map((ms) => count / ms / 1e6));
      return {
        name,
        rate: rate(samples.ours),
        memcpy: rate(samples.memcpy).median,
        ratio: speedRatio(samples, "ours", "memcpy"),
        target: targets.memcpy,
      };
    });
    return { count, rows: measured };
  });
  return { kernels: report, tables };
}
