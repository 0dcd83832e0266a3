/** Runs a plan into files with the reference writer's layout. */

import type { SafetensorsFile } from "../formats/safetensors/index.ts";
import type { ByteSink } from "../foundation/byte-source.ts";
import { UnsupportedError } from "../foundation/errors.ts";
import type { Workspace } from "../tensor/workspace.ts";
import type { ByteStream } from "./byte-stream.ts";
import type { ConversionPlan } from "./conversion-plan.ts";
import type { ExactFile } from "./exact-file.ts";
import { exactFile, type OutputFile } from "./output-plan.ts";
import { reportOf, type TensorReport } from "./report.ts";
import { type RunOptions, runUnit } from "./run-unit.ts";
import type { Unit } from "./unit.ts";
import { type OpenReader, streamReader, unitReader } from "./unit-reader.ts";

/** A sink that its owner closes when the file is whole. */
export interface FileSink extends ByteSink {
  /** Makes the bytes durable and lets go of the file. */
  close(): Promise<void>;
}

export interface ConvertOptions extends RunOptions {
  readonly onTensor?: ((report: TensorReport) => void) | undefined;
}

export interface WrittenFile {
  readonly name: string;
  readonly bytes: number;
  /** Bytes of the tensors alone. */
  readonly dataBytes: number;
}

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
  const written: WrittenFile[] = [];
  for (const output of outputs) {
    const sink = await create(output.name);
    const layout = exactFile(plan, output, sink, true);
    await writeInPlace(layout, sink, options, async (told) => {
      for (const index of layout.order()) {
        const unit = plan.unit(index);
        await runInto(layout, index, unit, await openerOf(index), plan, workspace, told);
      }
    });
    written.push(await finishFile(output.name, layout, sink));
  }
  return written;
}

/**
 * Has the units of a file written: once, or twice when something came out longer than it was guessed
 * and the sink cannot be read back. The second time nothing is reported.
 */
export async function writeInPlace(
  layout: ExactFile,
  sink: FileSink,
  options: ConvertOptions,
  writeUnits: (options: ConvertOptions) => Promise<void>,
): Promise<void> {
  await writeUnits(options);
  if (sink.read !== undefined || layout.isInPlace()) return;
  layout.restart();
  await writeUnits({ ...options, onBytes: undefined, onTensor: undefined });
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
    await runInto(file.layout, index, unit, reader, plan, workspace, options);
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
  plan: ConversionPlan,
  workspace: Workspace,
  options: ConvertOptions,
): Promise<void> {
  const result = await runUnit(unit, open, layout.writer(index), workspace, options);
  options.onTensor?.(
    reportOf(unit, plan.outputs(unit, result.textBytes ?? "typical"), result.error),
  );
}

export async function finishFile(
  name: string,
  layout: ExactFile,
  sink: FileSink,
): Promise<WrittenFile> {
  const { bytes, dataBytes } = await layout.finish();
  await sink.close();
  return { name, bytes, dataBytes };
}
