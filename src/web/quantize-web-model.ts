/** The main job in a browser: a model from anywhere into a file or a directory behind a handle. */

import { refuseQuantized } from "../checkpoint/config/model-config.ts";
import type { OpenedModel } from "../checkpoint/opened-model.ts";
import type { PendingOutput } from "../checkpoint/pending-output.ts";
import { type JobPlace, QuantizeJob } from "../checkpoint/quantize-job.ts";
import type {
  QuantizeJobOptions,
  QuantizeModelResult,
} from "../checkpoint/quantize-job-options.ts";
import { checkByteCount } from "../checkpoint/quantize-stream.ts";
import { ArgumentError } from "../foundation/errors.ts";
import type { PartEncoder } from "../tensor/part-encoder.ts";
import { forwardStream } from "./forward-stream.ts";
import { guarded } from "./sinks/handle-error.ts";
import type { DirectoryHandleLike, FileHandleLike } from "./sinks/handles.ts";
import { pendingDirectory } from "./sinks/pending-directory.ts";
import { pendingHandle } from "./sinks/pending-handle.ts";

export interface QuantizeWebModelOptions extends QuantizeJobOptions {
  /** Threads that compute, of `createThreadPool`; the caller closes them. */
  readonly pool?: PartEncoder & { readonly active: number };
}

/**
 * Quantizes an open model into `output`, with the bytes that the command writes. What the output held
 * before stays until the new one is whole, and after an error or an abort nothing new is left; but a
 * single file stays, empty, where its handle cannot be removed (Firefox, Safari).
 *
 * Safari before 26 writes files in Workers only, and a single one in place: if that fails, it is empty.
 *
 * @param model as `openWebModel` and `openFileModel` give it; it stays open
 * @param output a `FileSystemFileHandle`, or a `FileSystemDirectoryHandle` for config.json, the index
 * and the tokenizer too; of the origin's private file system, or chosen by the user
 * @throws ArgumentError, PlanError, FormatError, NonFiniteError, StorageError, UnsupportedError, or
 * the signal's reason
 */
export async function quantizeWebModel(
  model: OpenedModel,
  output: FileHandleLike | DirectoryHandleLike,
  options: QuantizeWebModelOptions = {},
): Promise<QuantizeModelResult> {
  checkByteCount("maxTensorBytes", options.maxTensorBytes);
  if (output?.kind !== "file" && output?.kind !== "directory") {
    throw new ArgumentError("output", "the handle of a file or a directory", typeof output);
  }
  refuseQuantized(model.config);
  options.signal?.throwIfAborted();
  const files = model.files.map(({ source, table }) => ({ name: source.name, table }));
  const place = placeOf(output, options);
  const job = new QuantizeJob(place, options, model.config, files, model.leftOut);
  if (model.hasRanges || files.length > 1) return job.run(model, model);
  const forward = forwardStream(model, options.signal);
  try {
    await forward.readHeader();
    return await job.run(forward, model);
  } finally {
    await forward.cancel(undefined);
  }
}

function placeOf(
  output: FileHandleLike | DirectoryHandleLike,
  { overwrite = false, pool }: QuantizeWebModelOptions,
): JobPlace {
  const { kind, name } = output;
  return {
    kind,
    fileName: name,
    open: () => (output.kind === "file" ? singleFile(output) : pendingDirectory(output, overwrite)),
    emit: () => Promise.reject(new Error("unreachable: no stream")),
    newPool: () =>
      pool && {
        size: pool.size,
        encode: (...call) => pool.encode(...call),
        get active() {
          return pool.active;
        },
        close: () => Promise.resolve(),
      },
  };
}

/** Whoever chose the file was asked whether to replace it. */
async function singleFile(handle: FileHandleLike): Promise<PendingOutput> {
  const { size } = await guarded("cannot open", handle.name, () => handle.getFile());
  const file = await pendingHandle(handle);
  return {
    create: () => Promise.resolve(file.sink),
    commit: () => file.commit(),
    abort: async () => {
      await file.abort();
      // A dialogue for saving has made it.
      if (size === 0) await handle.remove?.().catch(() => {});
    },
  };
}
