/** Texts on their way from a worker to main. */
export interface Parcel {
  readonly text: string;
  /** Lines or spans in it. */
  readonly count: number;
}

/**
 * A bounded queue from a worker to main: what was not taken yet and what main has not confirmed yet share one bound, so a main
 * thread that hangs costs this much memory and no more. What does not fit is dropped and counted; nobody ever waits.
 */
export class Outbox {
  readonly #charsMax: number;
  #text = '';
  #count = 0;
  #unconfirmed = 0;
  #dropped = 0;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  /** `count`: lines or spans in it. False: dropped. */
  offer(piece: string, count = 1): boolean {
    if (this.#text.length + this.#unconfirmed + piece.length > this.#charsMax) {
      this.#dropped += count;
      return false;
    }
    this.#text += piece;
    this.#count += count;
    return true;
  }

  get length(): number {
    return this.#text.length;
  }

  /** There is no room for a piece of this size: no need to make it. Counts as dropped. */
  isFull(charsAbout: number, count = 1): boolean {
    if (this.#text.length + this.#unconfirmed + charsAbout <= this.#charsMax) return false;
    this.#dropped += count;
    return true;
  }

  take(): Parcel | null {
    if (this.#count === 0) return null;
    const parcel = { text: this.#text, count: this.#count };
    this.#unconfirmed += this.#text.length;
    this.#text = '';
    this.#count = 0;
    return parcel;
  }

  /** Main has it. */
  confirm(chars: number): void {
    this.#unconfirmed = Math.max(0, this.#unconfirmed - chars);
  }

  /** How many were dropped since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
