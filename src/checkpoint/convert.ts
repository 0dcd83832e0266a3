/** Runs a plan into files with the reference writer's layout. */

import type { SafetensorsFile } from "../formats/safetensors/index.ts";
import { UnsupportedError } from "../foundation/errors.ts";
import type { Workspace } from "../tensor/workspace.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { ConversionPlan } from "./conversion-plan.ts";
import { convertEach, finishFile, reportOfUnit, type ToldOptions } from "./convert-each.ts";
import type { ConvertOptions, FileSink, WrittenFile } from "./convert-options.ts";
import type { ExactFile } from "./exact-file.ts";
import type { FinishedUnit } from "./journal.ts";
import { exactFile, type OutputFile } from "./output-plan.ts";
import { runUnit } from "./run-unit.ts";
import type { Unit } from "./unit.ts";
import { type OpenReader, streamReader, unitReader } from "./unit-reader.ts";

/**
 * Converts from sources that can be read in any order.
 *
 * @param sources the plan's files, in its order
 * @param create opens the output file of that name
 */
export function convertFiles(
  plan: ConversionPlan,
  sources: readonly SafetensorsFile[],
  outputs: readonly OutputFile[],
  create: (name: string) => Promise<FileSink>,
  workspace: Workspace,
  options: ConvertOptions,
): Promise<WrittenFile[]> {
  const openerOf = fileOpener(plan, sources);
  return convertUnits(plan, openerOf, outputs, create, workspace, options);
}

/** Opens the units of a plan in its files, given in its order. */
export function fileOpener(
  plan: ConversionPlan,
  sources: readonly SafetensorsFile[],
): (index: number) => Promise<OpenReader> {
  return (index) => {
    const unit = plan.unit(index);
    return Promise.resolve(unitReader(unit, sources[unit.file] as SafetensorsFile));
  };
}

/**
 * Converts units that can be opened in any order: file after file, each tensor written once where it
 * stays.
 *
 * @param openerOf opens the bytes of the unit at an index
 * @param create opens the output file of that name
 */
export async function convertUnits(
  plan: ConversionPlan,
  openerOf: (index: number) => Promise<OpenReader>,
  outputs: readonly OutputFile[],
  create: (name: string) => Promise<FileSink>,
  workspace: Workspace,
  options: ConvertOptions,
): Promise<WrittenFile[]> {
  return convertEach(plan, outputs, create, options, async (layout, indices, told) => {
    for (const index of indices) {
      const unit = plan.unit(index);
      await runInto(layout, index, unit, await openerOf(index), workspace, told);
    }
  });
}

/**
 * Converts from a stream: tensors are written as they come, with room for the longest texts, and
 * moved together at the end. The files are those that `convertFiles` writes.
 *
 * @throws UnsupportedError for a sink that cannot be read back
 */
export async function convertStream(
  plan: ConversionPlan,
  input: ByteStream,
  outputs: readonly OutputFile[],
  create: (name: string) => Promise<FileSink>,
  workspace: Workspace,
  options: ConvertOptions & { readonly maxTensorBytes: number },
): Promise<WrittenFile[]> {
  const fileOf = new Int32Array(plan.length);
  for (const [position, { units }] of outputs.entries()) {
    for (const index of units) fileOf[index] = position;
  }
  const open = new Map<number, OpenFile>();
  const written: WrittenFile[] = [];
  for (let index = 0; index < plan.length; index++) {
    const unit = plan.unit(index);
    const position = fileOf[index] as number;
    const output = outputs[position] as OutputFile;
    const file = open.get(position) ?? (await openFile(plan, output, create));
    open.set(position, file);
    const reader = await streamReader(input, unit, options.maxTensorBytes);
    const onUnit = (_: Unit, result: FinishedUnit) =>
      options.onTensor?.(reportOfUnit(plan, unit, result));
    await runInto(file.layout, index, unit, reader, workspace, { ...options, onUnit });
    file.unitsLeft--;
    if (file.unitsLeft > 0) continue;
    open.delete(position);
    written[position] = await finishFile(output.name, file.layout, file.sink);
  }
  await input.expectEnd();
  // A checkpoint without tensors is one empty file.
  for (const [position, output] of outputs.entries()) {
    if (written[position] !== undefined) continue;
    const { layout, sink } = await openFile(plan, output, create);
    written[position] = await finishFile(output.name, layout, sink);
  }
  return written;
}

interface OpenFile {
  readonly sink: FileSink;
  readonly layout: ExactFile;
  unitsLeft: number;
}

async function openFile(
  plan: ConversionPlan,
  output: OutputFile,
  create: (name: string) => Promise<FileSink>,
): Promise<OpenFile> {
  const sink = await create(output.name);
  if (sink.read === undefined) {
    throw new UnsupportedError(
      `${sink.name} cannot be read back, as a stream in gives a file in this layout; expected an ` +
        "input that can be read by ranges. QuantizeSafetensorsStream writes forward only",
    );
  }
  const layout = exactFile(plan, output, sink, false);
  return { sink, layout, unitsLeft: output.units.length };
}

async function runInto(
  layout: ExactFile,
  index: number,
  unit: Unit,
  open: OpenReader,
  workspace: Workspace,
  options: ToldOptions,
): Promise<void> {
  const result = await runUnit(unit, open, layout.writer(index), workspace, options);
  options.onUnit(unit, { index, ...result });
}
