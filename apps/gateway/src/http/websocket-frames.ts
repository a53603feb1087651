/**
 * Follows RFC 6455 §5.2 framing just closely enough to know where frames end, so that a close frame of ours never lands inside
 * somebody else's. It judges nothing: the two ends do.
 */
export class FrameTracker {
  /** Header bytes of the current frame seen so far, and how many it has. */
  #header = 0;
  #headerLength = 2;
  #left = 0;
  #lengthBytes = 0;

  /** True between two frames. */
  get atBoundary(): boolean {
    return this.#header === 0 && this.#left === 0;
  }

  /** Goes over `buf[from, end)`; with `stop` only up to the first frame end. Answers the position reached. */
  advance(buf: Uint8Array, from: number, end: number, stop: boolean): number {
    let p = from;
    while (p < end) {
      if (this.#header < this.#headerLength) this.#headerByte(buf[p++]!);
      else {
        const take = Math.min(this.#left, end - p);
        p += take;
        this.#left -= take;
      }
      if (this.#header === this.#headerLength && this.#left === 0) {
        this.#header = 0;
        this.#headerLength = 2;
        this.#lengthBytes = 0;
        if (stop) return p;
      }
    }
    return p;
  }

  #headerByte(byte: number): void {
    const at = this.#header++;
    if (at === 0) return;
    if (at === 1) {
      const length = byte & 0x7f;
      this.#lengthBytes = length === 126 ? 2 : length === 127 ? 8 : 0;
      this.#left = this.#lengthBytes === 0 ? length : 0;
      this.#headerLength = 2 + this.#lengthBytes + (byte & 0x80 ? 4 : 0);
    } else if (at < 2 + this.#lengthBytes) this.#left = this.#left * 256 + byte;
  }
}

/** A close frame (RFC 6455 §5.5.1). `mask`: four random bytes where it goes to a server, null where it goes to a client. */
export function closeFrame(code: number, reason: string, mask: Uint8Array | null): Buffer {
  const text = Buffer.from(reason, 'utf8').subarray(0, 123);
  const payload = Buffer.allocUnsafe(2 + text.length);
  payload.writeUInt16BE(code, 0);
  text.copy(payload, 2);
  if (mask === null) return Buffer.concat([Buffer.from([0x88, payload.length]), payload]);
  for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i & 3]!;
  return Buffer.concat([Buffer.from([0x88, 0x80 | payload.length]), mask, payload]);
}
