/** By what one tells that a file at an address is still the same file. */

import { printable, StorageError } from "../foundation/errors.ts";
import type { Notes } from "./http-resource.ts";

export class FileIdentity {
  readonly #name: string;
  #etag: string | undefined;
  #lastModified: string | undefined;
  #linkedEtag: string | undefined;

  constructor(name: string, headers: Headers, { linkedEtag }: Notes) {
    this.#name = name;
    this.#etag = headers.get("etag") ?? undefined;
    this.#lastModified = headers.get("last-modified") ?? undefined;
    this.#linkedEtag = linkedEtag;
  }

  /** For `If-Range`, which only takes what changes with every byte. */
  get strongValidator(): string | undefined {
    if (this.#etag !== undefined) return this.#etag.startsWith("W/") ? undefined : this.#etag;
    return this.#lastModified;
  }

  /** What tells this file from another at its address; undefined when the server tells nothing. */
  get revision(): string | undefined {
    const etag = this.#etag === undefined ? undefined : plain(this.#etag);
    return this.#linkedEtag ?? etag ?? this.#lastModified;
  }

  /** The first address says that it is the same file, whatever the place where it lies says. */
  isLinkedTo({ linkedEtag }: Notes): boolean {
    return linkedEtag !== undefined && linkedEtag === this.#linkedEtag;
  }

  /**
   * A place that redirects led to anew may tag the same file differently: then what the first
   * address says of it decides.
   *
   * @throws StorageError for another file
   */
  check(headers: Headers, notes: Notes): void {
    const isLinked = this.isLinkedTo(notes);
    const isNamed = notes.linkedEtag !== undefined && this.#linkedEtag !== undefined;
    if (isNamed && !isLinked) throw this.changed("its hash");
    const etag = headers.get("etag") ?? undefined;
    const lastModified = headers.get("last-modified") ?? undefined;
    if (this.#etag !== undefined && etag !== undefined) {
      if (plain(etag) !== plain(this.#etag)) {
        if (!isLinked) throw this.changed("its ETag");
        this.#etag = etag;
      }
    } else if (lastModified !== undefined && this.#lastModified !== undefined) {
      const isNewer = lastModified !== this.#lastModified;
      if (isNewer && !isLinked) throw this.changed("its date");
    }
    if (isLinked) this.#lastModified = lastModified;
  }

  /** @param what is another one than before */
  changed(what: string): StorageError {
    return new StorageError(
      `cannot read ${printable(this.#name)}: the file changed while it was read (${what} is ` +
        "another one); start again",
    );
  }
}

function plain(etag: string): string {
  return etag.replace(/^W\//, "");
}
