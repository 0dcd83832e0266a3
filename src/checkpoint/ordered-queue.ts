/** Items from one side to another, in order and bounded: who is ahead waits. */

export class OrderedQueue<Item> {
  readonly #limit: number;
  readonly #items: Item[] = [];
  #isEnded = false;
  #isStopped = false;
  #error: { readonly reason: unknown } | undefined;
  #wakeReader = () => {};
  #wakeWriter = () => {};

  /** @param limit items that may wait */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits until an item may be added. @returns false when nobody will take one any more */
  async hasRoom(): Promise<boolean> {
    while (this.#items.length >= this.#limit && !this.#isStopped) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    return !this.#isStopped;
  }

  /** @returns false when nobody will take it */
  async push(item: Item): Promise<boolean> {
    const isWanted = await this.hasRoom();
    if (isWanted) this.#items.push(item);
    this.#wakeReader();
    return isWanted;
  }

  /** No more items will come. */
  end(): void {
    this.#isEnded = true;
    this.#wakeReader();
  }

  /** The other side fails: with this, when it asks for the next item that is not there. */
  fail(reason: unknown): void {
    this.#error = { reason };
    this.#wakeReader();
  }

  /** Nobody takes items any more. */
  stop(): void {
    this.#isStopped = true;
    this.#wakeWriter();
  }

  /** The next item; undefined at the end. @throws what the other side failed with */
  async next(): Promise<Item | undefined> {
    while (this.#items.length === 0) {
      if (this.#error !== undefined) throw this.#error.reason;
      if (this.#isEnded) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
    const item = this.#items.shift();
    this.#wakeWriter();
    return item;
  }
}
