/** Waits that double from `firstMs` up to `mostMs`; what lived for `healthyMs` starts anew. */
export class Backoff {
  readonly #firstMs: number;
  readonly #mostMs: number;
  readonly #healthyMs: number;
  #nextMs: number;

  constructor(firstMs: number, mostMs: number, healthyMs: number) {
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
    this.#healthyMs = healthyMs;
    this.#nextMs = firstMs;
  }

  /** How long to wait before the next attempt, after one that lived `livedMs`. */
  after(livedMs: number): number {
    if (livedMs >= this.#healthyMs) this.#nextMs = this.#firstMs;
    const waitMs = this.#nextMs;
    this.#nextMs = Math.min(this.#mostMs, waitMs * 2);
    return waitMs;
  }
}
