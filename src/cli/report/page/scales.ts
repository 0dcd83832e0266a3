/** Ranges and ticks of axes. */

/** A range with some room around its points; 0 is at its edge when it is near. */
export function padded(lowest: number, highest: number, isLog: boolean): [number, number] {
  if (isLog) {
    const room = lowest < highest ? Math.max(1.03, (highest / lowest) ** 0.06) : 2;
    return [lowest / room, highest * room];
  }
  const room = (highest - lowest || Math.abs(highest) || 1) * 0.08;
  return [lowest >= 0 && lowest <= highest / 2 ? 0 : lowest - room, highest + room];
}

/** Steps per power of ten, for ranges of at least so many times their beginning. */
const LOG_STEPS: readonly { readonly ratio: number; readonly steps: readonly number[] }[] = [
  { ratio: 1e4, steps: [1] },
  { ratio: 12, steps: [1, 2, 5] },
  { ratio: 3, steps: [1, 1.5, 2, 3, 4, 5, 7] },
];

/** Where a logarithmic axis has ticks. A short range is nearly linear: its ticks are even. */
export function logTicks(lowest: number, highest: number): number[] {
  const steps = LOG_STEPS.find(({ ratio }) => highest / lowest >= ratio)?.steps;
  if (steps === undefined) return evenTicks(lowest, highest);
  const ticks: number[] = [];
  const last = Math.ceil(Math.log10(highest));
  for (let power = Math.floor(Math.log10(lowest)); power <= last; power++) {
    for (const step of steps) {
      const tick = Number(`${step}e${power}`);
      if (tick >= lowest && tick <= highest) ticks.push(tick);
    }
  }
  return ticks;
}

/** Between 4 and 10 multiples of 1, 2 or 5 times a power of ten. */
function evenTicks(lowest: number, highest: number): number[] {
  const least = (highest - lowest) / 9;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= least) ?? least;
  const ticks: number[] = [];
  for (let at = Math.ceil(lowest / step); at * step <= highest; at++) ticks.push(at * step);
  return ticks;
}

/** A tick's number as short as it is exact: "9.5", "0.02". */
export function tickText(tick: number): string {
  return String(Number(tick.toPrecision(6)));
}
