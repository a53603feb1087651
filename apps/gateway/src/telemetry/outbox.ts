/** Texts on their way from a worker to main, ASCII. */
export interface Parcel {
  readonly bytes: Uint8Array;
  /** Lines or spans in it. */
  readonly count: number;
}

const FIRST_BYTES = 80 * 1024;

/**
 * A bounded queue from a worker to main: what was not taken yet and what main has not confirmed yet share one bound, so a main
 * thread that hangs costs this much memory and no more. What does not fit is dropped and counted; nobody ever waits. Texts become bytes
 * at once: strings that wait would be copied by every collection of the young heap, and that costs more than making them.
 */
export class Outbox {
  readonly #bytesMax: number;
  #buffer: Buffer | null = null;
  #at = 0;
  #count = 0;
  #unconfirmed = 0;
  #dropped = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** `piece`: ASCII. `count`: lines or spans in it. False: dropped. */
  offer(piece: string, count = 1): boolean {
    if (this.#at + this.#unconfirmed + piece.length > this.#bytesMax) {
      this.#dropped += count;
      return false;
    }
    const needed = this.#at + piece.length;
    let buffer = this.#buffer;
    if (buffer === null || needed > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, needed * 2));
      buffer?.copy(larger, 0, 0, this.#at);
      this.#buffer = larger;
      buffer = larger;
    }
    this.#at += buffer.write(piece, this.#at, 'latin1');
    this.#count += count;
    return true;
  }

  /** Bytes that wait to be taken. */
  get length(): number {
    return this.#at;
  }

  /** There is no room for a piece of this size: no need to make it. Counts as dropped. */
  isFull(bytesAbout: number, count = 1): boolean {
    if (this.#at + this.#unconfirmed + bytesAbout <= this.#bytesMax) return false;
    this.#dropped += count;
    return true;
  }

  take(): Parcel | null {
    if (this.#count === 0 || this.#buffer === null) return null;
    // A copy of its own size: a message takes the whole memory behind a view along.
    const parcel = { bytes: new Uint8Array(this.#buffer.subarray(0, this.#at)), count: this.#count };
    this.#unconfirmed += this.#at;
    this.#at = 0;
    this.#count = 0;
    return parcel;
  }

  /** Main has it. */
  confirm(bytes: number): void {
    this.#unconfirmed = Math.max(0, this.#unconfirmed - bytes);
  }

  /** How many were dropped since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
