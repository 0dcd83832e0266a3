/** Where a conversion writes, what it is told, and what it tells. */

import type { ByteSink } from "../foundation/byte-source.ts";
import type { ConversionJournal, WholeFile } from "./journal.ts";
import type { TensorReport } from "./report.ts";
import type { RunOptions } from "./run-unit.ts";

/** A sink that its owner closes when the file is whole. */
export interface FileSink extends ByteSink {
  /** Makes the bytes durable and lets go of the file. */
  close(): Promise<void>;
}

export interface ConvertOptions extends RunOptions {
  readonly onTensor?: ((report: TensorReport) => void) | undefined;
  /** Called instead for a tensor that an earlier run has written. */
  readonly onEarlier?: ((report: TensorReport) => void) | undefined;
  /** Where it is noted how far the files are; for sinks that can be read back. */
  readonly journal?: ConversionJournal | undefined;
}

export interface WrittenFile extends WholeFile {
  readonly name: string;
}
