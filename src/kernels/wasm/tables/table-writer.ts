/** Little-endian numbers at fixed offsets of one table. */

export class TableWriter {
  readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(byteCount: number) {
    this.bytes = new Uint8Array(byteCount);
    this.view = new DataView(this.bytes.buffer);
  }

  u8(offset: number, values: ArrayLike<number>): void {
    this.bytes.set(values, offset);
  }

  u16(offset: number, values: readonly number[]): void {
    values.forEach((value, i) => {
      this.view.setUint16(offset + 2 * i, value, true);
    });
  }

  u32(offset: number, values: readonly number[]): void {
    values.forEach((value, i) => {
      this.view.setUint32(offset + 4 * i, value, true);
    });
  }

  f32(offset: number, values: Iterable<number>): void {
    let at = offset;
    for (const value of values) {
      this.view.setFloat32(at, value, true);
      at += 4;
    }
  }

  /** The bits of `from`, and the distance to the bits of `end`: one unsigned comparison. */
  absmaxRange(offset: number, from: number, end: number): void {
    this.f32(offset, [from, end]);
    const first = this.view.getUint32(offset, true);
    this.u32(offset + 4, [this.view.getUint32(offset + 4, true) - first]);
  }
}
