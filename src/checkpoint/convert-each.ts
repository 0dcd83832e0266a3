/** File after file, each taken up where an earlier run has left it. */

import type { ConversionPlan } from "./conversion-plan.ts";
import type { ConvertOptions, FileSink, WrittenFile } from "./convert-options.ts";
import type { ExactFile } from "./exact-file.ts";
import type { ConversionJournal, EarlierFile, FinishedUnit } from "./journal.ts";
import { exactFile, type OutputFile } from "./output-plan.ts";
import { reportOf, type TensorReport } from "./report.ts";
import type { RunOptions } from "./run-unit.ts";
import type { Unit } from "./unit.ts";

/** Writes the units of these indices, in their order. */
export type WriteUnits = (
  layout: ExactFile,
  indices: Iterable<number>,
  options: ToldOptions,
) => Promise<void>;

export interface ToldOptions extends RunOptions {
  readonly onUnit: (unit: Unit, result: FinishedUnit) => void;
}

/** File after file; what an earlier run has done is not done again. */
export async function convertEach(
  plan: ConversionPlan,
  outputs: readonly OutputFile[],
  create: (name: string) => Promise<FileSink>,
  options: ConvertOptions,
  writeUnits: WriteUnits,
): Promise<WrittenFile[]> {
  const { journal } = options;
  const written: WrittenFile[] = [];
  for (const output of outputs) {
    const { name } = output;
    const earlier = journal?.earlier(name);
    if (earlier?.whole !== undefined) {
      tellEarlier(plan, earlier.units, options);
      written.push({ name, ...earlier.whole });
      continue;
    }
    const sink = await create(name);
    const { layout, done } = await takeUp(plan, output, sink, earlier, journal);
    tellEarlier(plan, earlier?.units.slice(0, done) ?? [], options);
    const onUnit = (unit: Unit, result: FinishedUnit) => {
      journal?.unitDone(name, result);
      options.onTensor?.(reportOfUnit(plan, unit, result));
    };
    await writeUnits(layout, layout.order(done), { ...options, onUnit });
    // Something came out longer than it was guessed, and the sink cannot be read back.
    if (sink.read === undefined && !layout.isInPlace()) {
      layout.restart();
      await writeUnits(layout, layout.order(), {
        ...options,
        onBytes: undefined,
        onUnit: () => {},
      });
    }
    written.push(await finishFile(name, layout, sink, journal));
  }
  return written;
}

/** The layout with what an earlier run has written, and how many units that are. */
async function takeUp(
  plan: ConversionPlan,
  output: OutputFile,
  sink: FileSink,
  earlier: EarlierFile | undefined,
  journal: ConversionJournal | undefined,
): Promise<{ readonly layout: ExactFile; readonly done: number }> {
  const layout = exactFile(plan, output, sink, true);
  if (earlier === undefined) return { layout, done: 0 };
  let done = 0;
  for (const index of layout.order()) {
    const unit = earlier.units[done];
    if (unit?.index !== index) break;
    layout.replay(index, unit.textBytes);
    done++;
  }
  if (done === earlier.units.length && layout.writtenEnd <= earlier.bytes) return { layout, done };
  // The file has lost bytes that it had.
  await journal?.restart(output.name);
  return { layout: exactFile(plan, output, sink, true), done: 0 };
}

function tellEarlier(
  plan: ConversionPlan,
  units: readonly FinishedUnit[],
  { onEarlier }: ConvertOptions,
): void {
  if (onEarlier === undefined) return;
  for (const result of units) onEarlier(reportOfUnit(plan, plan.unit(result.index), result));
}

export function reportOfUnit(plan: ConversionPlan, unit: Unit, result: FinishedUnit): TensorReport {
  return reportOf(unit, plan.outputs(unit, result.textBytes ?? "typical"), result.error);
}

export async function finishFile(
  name: string,
  layout: ExactFile,
  sink: FileSink,
  journal?: ConversionJournal,
): Promise<WrittenFile> {
  const whole = await layout.finish(() => journal?.moving(name));
  await sink.close();
  await journal?.fileDone(name, whole);
  return { name, ...whole };
}
