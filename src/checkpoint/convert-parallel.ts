/**
 * Runs a plan with the encoding done elsewhere. One side reads and hands out parts of tensors, a few
 * tensors ahead; the other takes what comes back in the order it was handed out and writes it, so the
 * files are those that one thread writes.
 */

import type { FilePlace } from "../foundation/byte-source.ts";
import { floatBytes } from "../foundation/dtype.ts";
import { elementCountOf } from "../foundation/shape.ts";
import { codeBytesOf } from "../tensor/code-bytes.ts";
import type { EncodedPart, PartEncoder } from "../tensor/part-encoder.ts";
import { cutOf, TensorAssembler } from "../tensor/tensor-parts.ts";
import type { Workspace } from "../tensor/workspace.ts";
import type { ConversionPlan } from "./conversion-plan.ts";
import { convertEach, type ToldOptions } from "./convert-each.ts";
import type { ConvertOptions, FileSink, WrittenFile } from "./convert-options.ts";
import type { ExactFile } from "./exact-file.ts";
import { OrderedQueue } from "./ordered-queue.ts";
import type { OutputFile } from "./output-plan.ts";
import { runUnit } from "./run-unit.ts";
import { encodeJobOf, finalPartsOf, type Treatment, type Unit } from "./unit.ts";
import type { OpenReader } from "./unit-reader.ts";
import type { UnitWriter } from "./unit-writer.ts";

/** Weights of a part: worth a message to a thread, and a write of its codes. */
const PART_BYTES = 8 << 20;

/** A unit on its way from the reading side to the writing side. */
type Task =
  | {
      readonly kind: "whole";
      readonly index: number;
      readonly unit: Unit;
      readonly open: OpenReader;
    }
  | {
      readonly kind: "begin";
      readonly index: number;
      readonly unit: Unit;
      readonly treatment: Treatment;
    }
  | {
      readonly kind: "part";
      readonly start: number;
      readonly byteCount: number;
      readonly part: Promise<EncodedPart>;
    }
  | { readonly kind: "end" };

interface Side {
  readonly plan: ConversionPlan;
  readonly layout: ExactFile;
  readonly queue: OrderedQueue<Task>;
  readonly buffers: BufferStore;
  readonly workspace: Workspace;
  readonly encoder: PartEncoder;
  readonly indices: Iterable<number>;
  readonly options: ToldOptions;
}

/** As `convertUnits`, and with its bytes. */
export async function convertParallel(
  plan: ConversionPlan,
  openerOf: (index: number) => Promise<OpenReader>,
  outputs: readonly OutputFile[],
  create: (name: string) => Promise<FileSink>,
  workspace: Workspace,
  encoder: PartEncoder,
  options: ConvertOptions,
): Promise<WrittenFile[]> {
  const buffers = new BufferStore(8 * encoder.size);
  return convertEach(plan, outputs, create, options, async (layout, indices, told) => {
    // While one part is computed by each thread, one waits for it and one is written.
    const queue = new OrderedQueue<Task>(3 * encoder.size);
    const side = { plan, layout, queue, buffers, workspace, encoder, indices, options: told };
    const reading = readUnits(side, openerOf).then(
      () => queue.end(),
      (error: unknown) => queue.fail(error),
    );
    try {
      await writeUnits(side);
    } finally {
      queue.stop();
      await reading;
    }
  });
}

async function readUnits(
  { plan, queue, buffers, encoder, indices, options }: Side,
  openerOf: (index: number) => Promise<OpenReader>,
): Promise<void> {
  const { allowNonFinite, measureError, signal } = options;
  for (const index of indices) {
    const unit = plan.unit(index);
    const open = await openerOf(index);
    const { treatment } = unit;
    const job = treatment && { ...encodeJobOf(unit, treatment), allowNonFinite, measureError };
    const cut = job && cutOf(job, PART_BYTES);
    if (treatment === undefined || job === undefined || cut === undefined) {
      if (!(await queue.push({ kind: "whole", index, unit, open }))) return;
      continue;
    }
    await queue.push({ kind: "begin", index, unit, treatment });
    const reader = open();
    const elementCount = elementCountOf(job.shape);
    const itemBytes = floatBytes(job.dtype);
    for (let start = 0; start < elementCount; start += cut.partElements) {
      if (!(await queue.hasRoom())) return;
      signal?.throwIfAborted();
      const count = Math.min(cut.partElements, elementCount - start);
      const byteCount = count * itemBytes;
      const codes = buffers.take(codeBytesOf(treatment.coding.quantType, count));
      let weights: Uint8Array | FilePlace | undefined = reader.skip?.(byteCount);
      if (weights === undefined) {
        weights = buffers.take(byteCount);
        await reader.fill(weights);
      }
      const part = encoder.encode(cut.jobAt(start), weights, codes);
      // Its failure is met by the writing side, if that gets so far.
      part.catch(() => {});
      await queue.push({ kind: "part", start, byteCount, part });
    }
    await queue.push({ kind: "end" });
  }
}

/** Buffers that came back, to be used again: fresh ones cost as much as a copy. */
class BufferStore {
  readonly #free: ArrayBufferLike[] = [];
  readonly #limit: number;

  /** @param limit buffers that are kept */
  constructor(limit: number) {
    this.#limit = limit;
  }

  take(byteLength: number): Uint8Array {
    const isFit = (buffer: ArrayBufferLike) =>
      buffer.byteLength >= byteLength && buffer.byteLength <= 2 * byteLength;
    const at = this.#free.findIndex(isFit);
    const buffer = at < 0 ? new ArrayBuffer(byteLength) : this.#free.splice(at, 1)[0];
    return new Uint8Array(buffer as ArrayBufferLike, 0, byteLength);
  }

  giveBack({ buffer }: Uint8Array): void {
    this.#free.push(buffer);
    // Those that no tensor asks for any more.
    if (this.#free.length > this.#limit) this.#free.shift();
  }
}

interface Current {
  readonly index: number;
  readonly unit: Unit;
  readonly treatment: Treatment;
  readonly writer: UnitWriter;
  readonly assembler: TensorAssembler;
  /** The write that is under way. */
  writing: Promise<void>;
}

async function writeUnits(side: Side): Promise<void> {
  const { layout, queue, buffers, workspace, options } = side;
  let current: Current | undefined;
  try {
    for (let task = await queue.next(); task !== undefined; task = await queue.next()) {
      options.signal?.throwIfAborted();
      if (task.kind === "whole") {
        const { unit, index, open } = task;
        const result = await runUnit(unit, open, layout.writer(index), workspace, options);
        options.onUnit(unit, { index, ...result });
      } else if (task.kind === "begin") {
        const { unit, index, treatment } = task;
        const { measureError } = options;
        const job = { ...encodeJobOf(unit, treatment), measureError };
        const assembler = new TensorAssembler(workspace, job);
        const writing = Promise.resolve();
        current = { index, unit, treatment, writer: layout.writer(index), assembler, writing };
      } else if (task.kind === "part") {
        const { codes, scales, sums, weights } = await task.part;
        const { writer, assembler, writing } = current as Current;
        assembler.add(task.start, scales, sums);
        options.onBytes?.(task.byteCount);
        if (weights !== undefined) buffers.giveBack(weights);
        await writing;
        (current as Current).writing = watched(
          writer.write(codes).then(() => buffers.giveBack(codes)),
        );
      } else {
        const { index, unit, treatment, writer, assembler, writing } = current as Current;
        await writing;
        const { scales, error } = assembler.finish();
        const parts = finalPartsOf(unit, treatment, scales, writer.quantStateBytes);
        await writer.finish(parts);
        const textBytes = parts.get("quantState")?.byteLength;
        options.onUnit(unit, { index, error, textBytes });
        current = undefined;
      }
    }
  } finally {
    // A sink can be closed only when nothing writes to it.
    await current?.writing.catch(() => {});
  }
}

function watched(promise: Promise<void>): Promise<void> {
  promise.catch(() => {});
  return promise;
}
