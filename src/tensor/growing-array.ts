/** Arrays that grow with the data: a header can claim any size, its data is what counts. */

import { quoted, UnsupportedError } from "../foundation/errors.ts";

/** Elements that are given room at once. */
const FIRST_ELEMENTS = 1 << 20;

type NumberArray = Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Int8Array<ArrayBuffer>;

export class GrowingArray<Kind extends NumberArray> {
  readonly #make: (length: number) => Kind;
  readonly #finalLength: number;
  readonly #tensor: string | undefined;
  #values: Kind;

  /** @param finalLength elements that there will be in the end */
  constructor(make: (length: number) => Kind, finalLength: number, tensor: string | undefined) {
    this.#make = make;
    this.#finalLength = finalLength;
    this.#tensor = tensor;
    this.#values = make(Math.min(finalLength, FIRST_ELEMENTS));
  }

  /** All values; of the final length once the last is set. */
  get values(): Kind {
    return this.#values;
  }

  /** @throws UnsupportedError when memory does not hold that many */
  set(values: ArrayLike<number>, at: number): void {
    this.#makeRoom(at + values.length);
    this.#values.set(values, at);
  }

  #makeRoom(length: number): void {
    if (length <= this.#values.length) return;
    const room = Math.min(this.#finalLength, Math.max(length, 2 * this.#values.length));
    try {
      const larger = this.#make(room);
      larger.set(this.#values);
      this.#values = larger;
    } catch (cause) {
      const which = this.#tensor === undefined ? "weights" : `tensor ${quoted(this.#tensor)}`;
      throw new UnsupportedError(
        `${which}: ${room} scales do not fit into memory here; use larger blocks or copy it`,
        { cause },
      );
    }
  }
}
