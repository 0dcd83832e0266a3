/** Writes a quantized safetensors file front to back, in the order its sources flow by. */

import { encodeHeader } from "../formats/safetensors/index.ts";
import type { Workspace } from "../tensor/workspace.ts";
import type { ConversionPlan } from "./conversion-plan.ts";
import { headerBytesOf } from "./exact-file.ts";
import { type ForwardUnit, layoutForward } from "./forward-layout.ts";
import type { FinalParts, OutputTensor, Role } from "./layouts/layout.ts";
import { reportOf, type TensorReport } from "./report.ts";
import { type RunOptions, runUnit } from "./run-unit.ts";
import type { Unit } from "./unit.ts";
import type { OpenReader } from "./unit-reader.ts";
import type { UnitWriter } from "./unit-writer.ts";

export interface ForwardOptions extends RunOptions {
  /** Called after each source tensor. */
  readonly onTensor?: ((report: TensorReport) => void) | undefined;
}

/**
 * @param readerOf opens the bytes of a unit; called once for every unit, in order
 * @param emit takes the file's bytes in order; a chunk may be a view of kernel memory, which is
 * used again when the promise settles
 * @returns bytes written
 */
export async function writeForward(
  plan: ConversionPlan,
  readerOf: (unit: Unit) => Promise<OpenReader>,
  emit: (bytes: Uint8Array) => Promise<void>,
  workspace: Workspace,
  options: ForwardOptions,
): Promise<number> {
  const layout = layoutForward(plan);
  const metadata = plan.metadata(plan.indices());
  headerBytesOf(layout.entries, metadata, "the output");
  const header = encodeHeader(layout.entries, metadata);
  let written = 0;
  const send = (bytes: Uint8Array) => {
    written += bytes.byteLength;
    return emit(bytes);
  };
  await send(header);
  const tail = new Map<string, Uint8Array>();
  for (let index = 0; index < plan.length; index++) {
    const unit = plan.unit(index);
    const { quantStateBytes, heldBack, tailRoles } = layout.units[index] as ForwardUnit;
    const outputs = plan.outputs(unit, quantStateBytes);
    const writer = heldBack
      ? keepingWriter(outputs, tail)
      : sendingWriter(outputs, quantStateBytes, tailRoles, send, tail);
    const { error } = await runUnit(unit, await readerOf(unit), writer, workspace, options);
    options.onTensor?.(reportOf(unit, outputs, error));
  }
  for (const name of layout.tail) await send(tail.get(name) as Uint8Array);
  return written;
}

/** Sends everything on at once, but for what belongs to the file's end. */
function sendingWriter(
  outputs: readonly OutputTensor[],
  quantStateBytes: number,
  tailRoles: readonly Role[],
  send: (bytes: Uint8Array) => Promise<void>,
  tail: Map<string, Uint8Array>,
): UnitWriter {
  let last = Promise.resolve();
  return {
    quantStateBytes,
    // The pipeline may have two writes under way: they must leave in order.
    write: (bytes) => {
      last = last.then(() => send(bytes));
      return last;
    },
    finish: async (parts: FinalParts) => {
      for (const { role, name } of outputs) {
        const bytes = parts.get(role);
        if (bytes === undefined) continue;
        if (tailRoles.includes(role)) tail.set(name, bytes);
        else await send(bytes);
      }
    },
  };
}

/** Keeps a small unit for the file's end. */
function keepingWriter(
  outputs: readonly OutputTensor[],
  tail: Map<string, Uint8Array>,
): UnitWriter {
  const stream = outputs[0] as OutputTensor;
  const kept = new Uint8Array(stream.byteLength);
  let filled = 0;
  return {
    quantStateBytes: 0,
    write: (bytes) => {
      kept.set(bytes, filled);
      filled += bytes.byteLength;
      return Promise.resolve();
    },
    finish: (parts) => {
      tail.set(stream.name, kept);
      for (const { role, name } of outputs) {
        const bytes = parts.get(role);
        if (bytes !== undefined) tail.set(name, bytes);
      }
      return Promise.resolve();
    },
  };
}
