import { hash } from 'node:crypto';
import { monotonicClock } from './clock.ts';
import type { ReplayHandles } from './handles.ts';

/**
 * Which signed requests this node has let through, over all its workers: buckets of 1 KiB, each a lock word and 63 entries of
 * (96 bits of a keyed hash of key id and nonce, end in seconds). An entry lives until the signature would be refused for its age
 * anyway. Nothing that lives is ever given up: a full bucket refuses. What was given up after its end is remembered as one number, so
 * that a clock that is set back brings no request back to life.
 *
 * A holder of a lock that dies in the middle leaves its bucket locked for good: one in `buckets` nonces is then refused (503), and the
 * next signature has another nonce. Taking such a lock over could let a request pass twice.
 */

const BUCKET_BYTES = 1024;
const WORDS = 4;
const WAYS = 63;
const HEADER_BYTES = 64;
const FLOOR = 0;
const FORGOTTEN = 1;
const FULL = 2;
const SEED_BYTES = 16;
const SEED_AT = 32;
const SPINS = 200;
const PAUSE_MS = 0.2;
const GIVE_UP_AFTER_MS = 200;
/** 16 MiB of address space for 1 032 192 entries; pages become real when they are written. */
export const REPLAY_BUCKETS_DEFAULT = 1 << 14;

/**
 * `seed`: 16 random bytes. `startS`: seconds since 1970; what was signed before may have passed before this process began, so it is
 * not let through.
 */
export function createReplayMemory(seed: Uint8Array, startS: number, buckets: number = REPLAY_BUCKETS_DEFAULT): ReplayHandles {
  if (seed.length !== SEED_BYTES) throw new RangeError('a seed has 16 bytes');
  const cells = new SharedArrayBuffer(HEADER_BYTES + buckets * BUCKET_BYTES);
  new Uint8Array(cells, SEED_AT, SEED_BYTES).set(seed);
  new Uint32Array(cells, 0, 1)[FLOOR] = Math.floor(startS);
  return { cells };
}

/**
 * fresh: never seen, and remembered from now on. replayed: seen before. unknown: it may have been seen, but before this process
 * began, or before a clock was set back. full, stalled: it cannot be remembered, so it must not pass.
 */
export type ReplayVerdict = 'fresh' | 'replayed' | 'unknown' | 'full' | 'stalled';

export interface ReplayGuard {
  /** `endsS`: the signature is refused for its age from then on. */
  take(kid: string, nonce: string, createdS: number, endsS: number, nowMs: number): ReplayVerdict;
  /** Signatures refused because there was no room, since start, over all threads. */
  readonly full: number;
}

class Replays implements ReplayGuard {
  readonly #words: Uint32Array;
  readonly #locks: Int32Array;
  readonly #buckets: number;
  readonly #seed: string;
  readonly #monotonicMs: () => number;

  constructor(handles: ReplayHandles, monotonicMs: () => number) {
    this.#words = new Uint32Array(handles.cells);
    this.#locks = new Int32Array(handles.cells);
    this.#buckets = (handles.cells.byteLength - HEADER_BYTES) / BUCKET_BYTES;
    this.#seed = Buffer.from(new Uint8Array(handles.cells, SEED_AT, SEED_BYTES)).toString('latin1');
    this.#monotonicMs = monotonicMs;
  }

  get full(): number {
    return Atomics.load(this.#words, FULL);
  }

  take(kid: string, nonce: string, createdS: number, endsS: number, nowMs: number): ReplayVerdict {
    if (createdS < Atomics.load(this.#words, FLOOR)) return 'unknown';
    const mark = hash('sha256', Buffer.from(`${this.#seed}${kid}\0${nonce}`, 'latin1'), 'buffer');
    const bucket = mark.readUInt32LE(12) % this.#buckets;
    const at = (HEADER_BYTES + bucket * BUCKET_BYTES) >> 2;
    if (!this.#lock(at)) return 'stalled';
    const verdict = this.#takeLocked(at, mark, endsS, nowMs / 1000);
    Atomics.store(this.#locks, at, 0);
    Atomics.notify(this.#locks, at, 1);
    return verdict;
  }

  #takeLocked(bucket: number, mark: Buffer, endsS: number, nowS: number): ReplayVerdict {
    const words = this.#words;
    const a = mark.readUInt32LE(0);
    const b = mark.readUInt32LE(4);
    const c = mark.readUInt32LE(8);
    let free = -1;
    for (let way = 1; way <= WAYS; way++) {
      const at = bucket + way * WORDS;
      const ends = words[at + 3]!;
      // An entry past its end still says that the request was seen.
      if (ends !== 0 && words[at] === a && words[at + 1] === b && words[at + 2] === c) return 'replayed';
      if (free < 0 && ends <= nowS) free = at;
    }
    if (endsS <= Atomics.load(words, FORGOTTEN)) return 'unknown';
    if (free < 0) {
      Atomics.add(words, FULL, 1);
      return 'full';
    }
    this.#forget(words[free + 3]!);
    words[free] = a;
    words[free + 1] = b;
    words[free + 2] = c;
    words[free + 3] = endsS;
    return 'fresh';
  }

  /** The latest end of anything that was given up only grows. */
  #forget(endsS: number): void {
    for (let known = Atomics.load(this.#words, FORGOTTEN); endsS > known; ) {
      const seen = Atomics.compareExchange(this.#words, FORGOTTEN, known, endsS);
      if (seen === known) return;
      known = seen;
    }
  }

  #lock(at: number): boolean {
    const locks = this.#locks;
    for (let i = 0; i < SPINS; i++) if (Atomics.compareExchange(locks, at, 0, 1) === 0) return true;
    const since = this.#monotonicMs();
    while (this.#monotonicMs() - since < GIVE_UP_AFTER_MS) {
      Atomics.wait(locks, at, 1, PAUSE_MS);
      if (Atomics.compareExchange(locks, at, 0, 1) === 0) return true;
    }
    return false;
  }
}

/** One per thread. `nowMs` of `take` must come from a clock that all threads share. */
export function attachReplays(handles: ReplayHandles, monotonicMs: () => number = monotonicClock()): ReplayGuard {
  return new Replays(handles, monotonicMs);
}
