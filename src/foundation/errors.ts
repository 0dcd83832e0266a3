/**
 * The errors that quantwise throws on purpose. Whoever catches one asks: did I call it wrong
 * (`ArgumentError`, `PlanError`), is the file wrong (`FormatError`, `NonFiniteError`), or is the
 * machine wrong (`UnsupportedError`, `StorageError`)? A cancelled job throws the platform's own
 * `AbortError`.
 */

/** Base of every deliberate error. `code` is stable; `message` is for people. */
export abstract class QuantwiseError extends Error {
  abstract readonly code: string;
}

/** The caller passed something wrong. Fix the call. */
export class ArgumentError extends QuantwiseError {
  override readonly name = "ArgumentError";
  readonly code = "ARGUMENT";
  /** The argument or option that was refused, such as `blockSize`. */
  readonly argument: string;

  constructor(argument: string, expected: string, received: unknown) {
    super(`${argument}: expected ${expected}, received ${describe(received)}`);
    this.argument = argument;
  }
}

/** The options and the model do not fit together. Change the options. */
export class PlanError extends QuantwiseError {
  override readonly name = "PlanError";
  readonly code = "PLAN";
}

/** Where in a file a `FormatError` was found. */
export interface FormatErrorPlace {
  /** File (or stream) name as the user knows it. */
  readonly file?: string | undefined;
  readonly tensor?: string | undefined;
  /** Byte offset in the file. */
  readonly offset?: number | undefined;
}

/** The file is not what its format promises. Another attempt will not help. */
export class FormatError extends QuantwiseError {
  override readonly name = "FormatError";
  readonly code = "FORMAT";
  readonly file: string | undefined;
  readonly tensor: string | undefined;
  readonly offset: number | undefined;

  constructor(problem: string, place: FormatErrorPlace = {}, options?: ErrorOptions) {
    const where = [
      place.file === undefined ? "" : printable(place.file),
      place.tensor === undefined ? "" : `tensor ${quoted(place.tensor)}`,
      place.offset === undefined ? "" : `byte ${place.offset}`,
    ].filter((part) => part !== "");
    super(where.length === 0 ? problem : `${where.join(", ")}: ${problem}`, options);
    this.file = place.file;
    this.tensor = place.tensor;
    this.offset = place.offset;
  }
}

/** A weight or an embedding holds NaN or infinity, and that was not allowed. */
export class NonFiniteError extends QuantwiseError {
  override readonly name = "NonFiniteError";
  readonly code = "NON_FINITE";
  readonly tensor: string | undefined;
  /** Index of the first such element in the flattened tensor. */
  readonly index: number;

  /** @param asFloat16 the value only overflows once it is rounded to float16 (LLM.int8) */
  constructor(
    tensor: string | undefined,
    index: number,
    value: number,
    asFloat16 = false,
    file?: string,
    message?: string,
  ) {
    const which = tensor === undefined ? "weights" : `tensor ${quoted(tensor)}`;
    const where = file === undefined ? which : `${printable(file)}, ${which}`;
    const problem = asFloat16 && Number.isFinite(value) ? ", which float16 cannot hold" : "";
    super(
      message ??
        `${where}: element ${index} is ${value}${problem}; expected a finite number. Repair the ` +
          "weights, keep the tensor in float, or allow it (allowNonFinite, --allow-non-finite)",
    );
    this.tensor = tensor;
    this.index = index;
  }
}

/** As `NonFiniteError` of weights, for embeddings, which no option lets through. */
export function nonFiniteEmbedding(
  argument: string,
  index: number,
  value: number,
  dimensions: number,
): NonFiniteError {
  const place = `row ${Math.floor(index / dimensions)}, dimension ${index % dimensions}`;
  const message = `${argument}: element ${index} (${place}) is ${value}; expected a finite number`;
  return new NonFiniteError(undefined, index, value, false, undefined, message);
}

/** This runtime, or this build, lacks something. Nothing was partially done. */
export class UnsupportedError extends QuantwiseError {
  override readonly name = "UnsupportedError";
  readonly code = "UNSUPPORTED";
}

/** Reading or writing failed: a full disk, a missing file, a refused overwrite. */
export class StorageError extends QuantwiseError {
  override readonly name = "StorageError";
  readonly code = "STORAGE";
}

/** Makes a switch over a union complete: the compiler refuses a case that was forgotten. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}

/** Text from a file made safe for a terminal and for one line. */
export function printable(text: string): string {
  const short = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return short.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** `printable` in double quotes. */
export function quoted(text: string): string {
  return `"${printable(text)}"`;
}

function describe(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(String).join(", ")}]`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  return String(value);
}

/** By its parts, not its class: another realm has one of its own. @throws ArgumentError */
export function checkSignal(signal: AbortSignal | undefined): void {
  const isSignal = typeof signal?.throwIfAborted === "function";
  if (signal !== undefined && !isSignal) {
    throw new ArgumentError("signal", "an AbortSignal", signal);
  }
}
