/** Bytes that a client sent and nobody has used yet: `buf[at, end)`. Null where there are none. */
export class ClientInput {
  buf: Buffer | null = null;
  at = 0;
  end = 0;
  #borrowed = false;

  get length(): number {
    return this.end - this.at;
  }

  /** More bytes: `buf[0, length)`. `borrowed`: the buffer belongs to somebody who will overwrite it after `keep`. */
  add(buf: Buffer, length: number, borrowed: boolean): void {
    if (this.buf === null) {
      this.buf = buf;
      this.at = 0;
      this.end = length;
      this.#borrowed = borrowed;
      return;
    }
    const joined = Buffer.allocUnsafe(this.length + length);
    this.buf.copy(joined, 0, this.at, this.end);
    buf.copy(joined, this.length, 0, length);
    this.buf = joined;
    this.at = 0;
    this.end = joined.length;
    this.#borrowed = false;
  }

  /** The borrowed buffer goes back: what is still there is copied. */
  keep(): void {
    if (!this.#borrowed || this.buf === null) return;
    this.#borrowed = false;
    const kept = Buffer.allocUnsafe(this.length);
    this.buf.copy(kept, 0, this.at, this.end);
    this.buf = kept;
    this.at = 0;
    this.end = kept.length;
  }

  consume(to: number): void {
    if (to === this.end) this.clear();
    else this.at = to;
  }

  clear(): void {
    this.buf = null;
    this.at = 0;
    this.end = 0;
    this.#borrowed = false;
  }
}
