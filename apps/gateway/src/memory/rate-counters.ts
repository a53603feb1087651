import type { Rate } from '@fluxgate/policy';
import { gcra } from '@fluxgate/policy';
import { monotonicClock } from './clock.ts';
import type { RateHandles } from './handles.ts';
import type { RateCounters, RateVerdict } from './ports.ts';
import { SubjectHash } from './subject-hash.ts';

/**
 * GCRA cells in shared memory: buckets of 256 bytes, each a lock word, an overflow cell and 15 cells of (subject 64 bits, TAT float64 ms).
 * A take holds the lock of one bucket for about a tenth of a microsecond, so what is admitted is exact over all threads.
 *
 * A cell whose TAT has passed owes nothing and may be given to another subject. When all 15 of a bucket owe, a newcomer is charged
 * to the bucket's overflow cell together with the other newcomers there, and a cell that becomes free starts with what the overflow cell
 * owes. So no subject ever gets more than its limit, known or not; the price of a full bucket is that newcomers share one allowance,
 * and `crowded` counts how often.
 */

const BUCKET_BYTES = 256;
const WAYS = 15;
const HEADER_WORDS = 8; // seeds, clock, counters
const HEADER_BYTES = BUCKET_BYTES;
const SEED_A = 0;
const SEED_B = 1;
const CROWDED = 2;
const STOLEN = 3;

/** A holder that is not back after this is taken for dead and its lock taken over. */
const STEAL_AFTER_MS = 200;
const SPINS = 200;
const PAUSE_MS = 0.1;
/** A TAT further ahead than a full burst and this was written under a clock that has since been set back. */
const CLOCK_STEP_MS = 2000;

export const RATE_BUCKETS_DEFAULT = 1 << 15;

/** `seed`: two random words. Pages become real when they are written: the default is 8 MiB of address space for 491 520 cells. */
export function createRateMemory(seed: readonly [number, number], buckets: number = RATE_BUCKETS_DEFAULT): RateHandles {
  const cells = new SharedArrayBuffer(HEADER_BYTES + buckets * BUCKET_BYTES);
  const header = new Int32Array(cells, 0, HEADER_WORDS);
  header[SEED_A] = seed[0];
  header[SEED_B] = seed[1];
  return { cells };
}

export interface SharedRates extends RateCounters {
  /** Takes that were charged to an overflow cell, since start, over all threads. */
  readonly crowded: number;
}

class Rates implements SharedRates {
  readonly #words: Int32Array;
  readonly #times: Float64Array;
  readonly #buckets: number;
  readonly #hash: SubjectHash;
  readonly #monotonicMs: () => number;
  readonly #owner: number;
  readonly #verdict: RateVerdict = { allowed: false, remaining: 0, retryAfterMs: 0, resetMs: 0 };
  #ticket = 0;

  constructor(handles: RateHandles, worker: number, monotonicMs: () => number) {
    this.#words = new Int32Array(handles.cells);
    this.#times = new Float64Array(handles.cells);
    this.#buckets = (handles.cells.byteLength - HEADER_BYTES) / BUCKET_BYTES;
    this.#hash = new SubjectHash(this.#words[SEED_A]!, this.#words[SEED_B]!);
    this.#monotonicMs = monotonicMs;
    this.#owner = ((worker & 0xff) + 1) << 22;
  }

  get crowded(): number {
    return Atomics.load(this.#words, CROWDED) >>> 0;
  }

  take(limit: number, subject: string, rate: Rate, burst: number, nowMs: number): RateVerdict {
    const hash = this.#hash;
    hash.of(limit, subject);
    const bucket = (hash.a >>> 0) % this.#buckets;
    const a = hash.b === 0 ? 1 : hash.b; // 0 marks a cell that was never used
    const b = hash.a;
    const lock = (HEADER_BYTES + bucket * BUCKET_BYTES) >> 2;
    for (;;) {
      const ticket = this.#lock(lock);
      const verdict = this.#takeLocked(lock, ticket, a, b, rate, burst, nowMs);
      Atomics.compareExchange(this.#words, lock, ticket, 0);
      if (verdict !== null) return verdict;
      // The lock was taken over while this thread slept: nothing was written, so judge again.
    }
  }

  #takeLocked(lock: number, ticket: number, a: number, b: number, rate: Rate, burst: number, nowMs: number): RateVerdict | null {
    const words = this.#words;
    const times = this.#times;
    const overflow = (lock + 2) >> 1;
    let cell = -1;
    let reclaimable = -1;
    for (let way = 1; way <= WAYS; way++) {
      const at = lock + way * 4;
      if (words[at] === a && words[at + 1] === b) {
        cell = at;
        break;
      }
      if (reclaimable < 0 && times[(at + 2) >> 1]! <= nowMs) reclaimable = at;
    }
    const known = cell >= 0;
    if (!known) cell = reclaimable;
    const tatAt = cell < 0 ? overflow : (cell + 2) >> 1;
    const room = (Math.max(1, burst) * rate.perMs) / rate.limit;
    // A stranger may have been charged to the overflow cell before: at worst all of what it owes, at most a whole burst.
    let tat = known ? times[tatAt]! : Math.min(times[overflow]!, nowMs + room);
    if (tat > nowMs + room + CLOCK_STEP_MS) tat = nowMs + room;
    const judged = gcra(tat, nowMs, rate, burst);
    if (Atomics.load(words, lock) !== ticket) return null;
    if (cell < 0) Atomics.add(words, CROWDED, 1);
    if (judged.allowed) {
      times[tatAt] = cell < 0 ? Math.max(times[overflow]!, judged.tatMs) : judged.tatMs;
      if (!known && cell >= 0) {
        words[cell] = a;
        words[cell + 1] = b;
      }
    }
    const verdict = this.#verdict;
    verdict.allowed = judged.allowed;
    verdict.remaining = judged.remaining;
    verdict.retryAfterMs = judged.retryAfterMs;
    verdict.resetMs = judged.resetMs;
    return verdict;
  }

  /** Gives the ticket that holds the lock. Never 0, and not repeated within 4 million locks of this thread. */
  #lock(lock: number): number {
    const words = this.#words;
    this.#ticket = (this.#ticket + 1) & 0x3f_ffff;
    const ticket = this.#owner | this.#ticket;
    for (let i = 0; i < SPINS; i++) if (Atomics.compareExchange(words, lock, 0, ticket) === 0) return ticket;
    let holder = Atomics.load(words, lock);
    let since = this.#monotonicMs();
    for (;;) {
      if (holder === 0) {
        holder = Atomics.compareExchange(words, lock, 0, ticket);
        if (holder === 0) return ticket;
        since = this.#monotonicMs();
      }
      // Nobody notifies: that would cost every unlock, to shorten a wait which is needed only if a holder lost its processor.
      Atomics.wait(words, lock, holder, PAUSE_MS);
      const seen = Atomics.load(words, lock);
      if (seen !== holder) {
        holder = seen;
        since = this.#monotonicMs();
      } else if (this.#monotonicMs() - since > STEAL_AFTER_MS) {
        if (Atomics.compareExchange(words, lock, holder, ticket) === holder) {
          Atomics.add(words, STOLEN, 1);
          return ticket;
        }
        holder = Atomics.load(words, lock);
      }
    }
  }
}

/** One per thread, `worker` 0 … 254. `nowMs` of `take` must come from a clock that all threads share. */
export function attachRates(handles: RateHandles, worker: number, monotonicMs: () => number = monotonicClock()): SharedRates {
  return new Rates(handles, worker, monotonicMs);
}
