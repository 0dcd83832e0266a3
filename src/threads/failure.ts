/** Errors on their way from one thread to another. */

import {
  FormatError,
  NonFiniteError,
  StorageError,
  UnsupportedError,
} from "../foundation/errors.ts";
import type { Failure } from "./messages.ts";

export function failureOf(error: unknown): Failure {
  if (error instanceof NonFiniteError) {
    const { message, tensor, index } = error;
    return { kind: "nonFinite", message, tensor, index };
  }
  if (error instanceof FormatError) {
    const { message, file, tensor, offset } = error;
    return { kind: "format", message, place: { file, tensor, offset } };
  }
  if (error instanceof StorageError) return { kind: "storage", message: error.message };
  if (error instanceof UnsupportedError) return { kind: "unsupported", message: error.message };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: "unexpected", message };
}

export function errorOf(failure: Failure): Error {
  const { message } = failure;
  switch (failure.kind) {
    case "nonFinite":
      return new NonFiniteError(failure.tensor, failure.index, NaN, false, undefined, message);
    case "format":
      return Object.assign(new FormatError(message), failure.place);
    case "storage":
      return new StorageError(message);
    case "unsupported":
      return new UnsupportedError(message);
    case "unexpected":
      return new Error(`in a worker thread: ${message}`);
  }
}
