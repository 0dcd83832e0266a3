/** What a conversion leaves behind as it goes, so that another can take it up where it ended. */

import type { QuantizationError } from "../metrics/quantization-error.ts";

/** All that has to be known of a unit whose bytes are there. */
export interface FinishedUnit {
  /** In the plan. */
  readonly index: number;
  /** Bytes of its JSON text, when it has one: what lies behind it depends on them. */
  readonly textBytes?: number | undefined;
  readonly error?: QuantizationError | undefined;
}

/** Sizes of a file that is whole. */
export interface WholeFile {
  readonly bytes: number;
  /** Bytes of the tensors alone. */
  readonly dataBytes: number;
}

/** What an earlier run has done of a file. */
export interface EarlierFile {
  /** In the order in which they were written. */
  readonly units: readonly FinishedUnit[];
  /** When nothing is left to do. */
  readonly whole?: WholeFile | undefined;
  /** Size that the file has. */
  readonly bytes: number;
}

export interface ConversionJournal {
  /** Undefined for a file that is begun now. */
  earlier(file: string): EarlierFile | undefined;
  /** The file is begun anew, whatever was done of it. */
  restart(file: string): Promise<void>;
  /** A unit was written. It is recorded once its bytes are durable, and in this order. */
  unitDone(file: string, unit: FinishedUnit): void;
  /** Bytes of the file are about to be moved: until it is whole, nobody can take it up. */
  moving(file: string): Promise<void>;
  /** The file is whole and durable. */
  fileDone(file: string, whole: WholeFile): Promise<void>;
}
