/** A file at an address: asks for parts of it, and refuses answers that are not of this file. */

import { printable, StorageError } from "../foundation/errors.ts";
import type { Answer } from "./answer.ts";
import { contentLength, parseContentRange, unsatisfiedTotal } from "./content-range.ts";
import { WebPageError } from "./http-errors.ts";
import type { HttpResource } from "./http-resource.ts";
import { FileIdentity } from "./identity.ts";
import { Piece } from "./piece.ts";
import { TransientError } from "./retry.ts";

export class RemoteFile {
  readonly name: string;
  readonly size: number;
  /** False: the server ignores ranges. */
  readonly hasRanges: boolean;
  readonly resource: HttpResource;
  readonly #identity: FileIdentity;

  private constructor(
    resource: HttpResource,
    size: number,
    hasRanges: boolean,
    identity: FileIdentity,
  ) {
    this.name = resource.name;
    this.size = size;
    this.hasRanges = hasRanges;
    this.resource = resource;
    this.#identity = identity;
  }

  /**
   * Opens the file by asking for its first bytes.
   *
   * @returns the file, and these bytes, or all of them where the server ignores ranges
   */
  static async open(resource: HttpResource, byteCount: number): Promise<[RemoteFile, Piece]> {
    const answer = await resource.get({ Range: `bytes=0-${byteCount - 1}` });
    try {
      const { status, headers } = answer;
      if (/^text\/html\b/i.test(headers.get("content-type") ?? "")) {
        throw new WebPageError(resource.name);
      }
      const size = sizeOf(answer, resource.name);
      const identity = new FileIdentity(resource.name, headers, resource.notes);
      const file = new RemoteFile(resource, size, status !== 200, identity);
      const isPart = file.hasRanges && size > 0;
      return [file, new Piece(answer, 0, isPart ? file.#endOf(answer, 0, byteCount) : size)];
    } catch (error) {
      answer.cancel();
      throw error;
    }
  }

  get revision(): string | undefined {
    return this.#identity.revision;
  }

  /** Bytes from `start` on, at most to `end`. */
  async part(start: number, end: number): Promise<Piece> {
    const answer = await this.#ask(start, end);
    try {
      return new Piece(answer, start, this.#endOf(answer, start, end));
    } catch (error) {
      answer.cancel();
      throw error;
    }
  }

  async #ask(start: number, end: number): Promise<Answer> {
    const range = { Range: `bytes=${start}-${end - 1}` };
    const validator = this.#identity.strongValidator;
    if (validator === undefined || !this.resource.takesConditions) return this.resource.get(range);
    const answer = await this.resource.get({ ...range, "If-Range": validator });
    // Another place, where the same file has another tag.
    if (answer.status !== 200 || !this.#identity.isLinkedTo(this.resource.notes)) return answer;
    answer.discard();
    return this.resource.get(range);
  }

  /** All bytes, without asking for a range. */
  async whole(): Promise<Piece> {
    const answer = await this.resource.get({});
    try {
      const size = sizeOf(answer, this.name);
      this.#identity.check(answer.headers, this.resource.notes);
      if (size !== this.size) throw this.#identity.changed("its size");
      return new Piece(answer, 0, size);
    } catch (error) {
      answer.cancel();
      throw error;
    }
  }

  cannot(problem: string): StorageError {
    return cannotRead(this.name, problem);
  }

  /** Where a partial answer ends; refuses any other answer. */
  #endOf({ status, headers }: Answer, start: number, end: number): number {
    if (status === 416) throw this.#identity.changed("its size");
    this.#identity.check(headers, this.resource.notes);
    const length = contentLength(headers);
    if (status === 200) {
      if (length !== undefined && length !== this.size) throw this.#identity.changed("its size");
      throw new TransientError("the server ignores ranges, which it served before");
    }
    const range = parseContentRange(headers.get("content-range"));
    if (status !== 206 || range === undefined) {
      throw this.cannot(`the server answers a range with status ${status} and no valid range`);
    }
    if ((range.total ?? this.size) !== this.size) throw this.#identity.changed("its size");
    if (range.start !== start || range.end > end) {
      const sent = `${range.start} to ${range.end - 1}`;
      const asked = `${start} to ${end - 1}`;
      throw this.cannot(`the server sends bytes ${sent}; asked for were ${asked}`);
    }
    if (length !== undefined && length !== range.end - range.start) {
      throw this.cannot(
        `the server sends ${length} bytes and calls them ${range.end - range.start}`,
      );
    }
    return range.end;
  }
}

function sizeOf({ status, headers }: Answer, name: string): number {
  if (status === 206) {
    const text = headers.get("content-range");
    const total = parseContentRange(text)?.total;
    if (total !== undefined) return total;
    const found = text === null ? "none is visible (in a browser, CORS must expose it)" : text;
    const problem = `expected a Content-Range with the file's size; ${printable(found)}`;
    throw cannotRead(name, problem);
  }
  // Of a file without bytes no range can be had.
  if (status === 416 && unsatisfiedTotal(headers.get("content-range")) === 0) return 0;
  const length = status === 200 ? contentLength(headers) : undefined;
  if (length !== undefined) return length;
  throw cannotRead(
    name,
    status === 200
      ? "the server tells neither ranges nor a size; download it first, or pipe it: " +
          "curl -L <url> | quantwise quantize - -o <out>"
      : `an unexpected answer (status ${status})`,
  );
}

function cannotRead(name: string, problem: string): StorageError {
  return new StorageError(`cannot read ${printable(name)}: ${problem}`);
}
