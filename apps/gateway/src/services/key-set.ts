import type { PublicJwk } from '@fluxgate/policy';

/** How one key set is kept. All times here are milliseconds of a clock that never jumps. */
export interface KeySetTiming {
  /** Age at which a set should have been replaced; it is fetched anew at about four fifths of it. */
  readonly ttlMs: number;
  /** Between two attempts that unknown key ids cause, successful or not. */
  readonly coolDownMs: number;
  /** A set that could not be replaced is used until this age, and then no more. */
  readonly staleMs: number;
}

/** What an unknown key id leads to. `fetch`: begin one now; `wait`: one is under way, or about to begin; `no`: it is known not to be there, or it is too early to ask. */
export type Want = 'fetch' | 'wait' | 'no';

const ABSENT_MAX = 1000;
/** An issuer may sign with a key a moment before its own caches show it: an id is not written off for long. */
const ABSENT_COOL_DOWNS = 3;
const BACKOFF_MAX_MS = 60_000;
/** An issuer that was never reached is tried again so soon, then ever more slowly: it may be starting like this node. */
const FIRST_RETRY_MS = 250;
/** Without any key, a request waits for an attempt that is so near. */
const SOON_MS = 2000;

/**
 * The keys of one issuer over time, without any I/O: the shell (`keySets.ts`) asks what is due and tells what came of it.
 *
 * - A good set is thrown away by nothing but a better one, its age, or an operator: not by errors, empty answers or unknown ids.
 * - Whatever the number of unknown ids, they cause one attempt per cool-down, counted from the last ATTEMPT; known keys never wait for it.
 * - A key that the issuer removed is gone with the next successful fetch.
 */
export class KeySet {
  timing: KeySetTiming;
  keys: readonly PublicJwk[] = [];
  ignored: readonly { readonly kid: string | null; readonly why: string }[] = [];
  /** Of the last success; null: never. */
  fetchedAtMs: number | null = null;
  attemptedAtMs: number | null = null;
  /** In a row. */
  failures = 0;
  trouble: string | null = null;
  /** When the next background fetch is due. */
  dueAtMs = Number.NEGATIVE_INFINITY;
  inFlight = false;
  /** Taken out by an operator; stays out until the issuer no longer publishes it. */
  readonly blocked = new Set<string>();
  /** Ids that a fetch did not bring, with the time until which nobody asks for them again. Bounded; the oldest go first. */
  readonly #absent = new Map<string, number>();

  constructor(timing: KeySetTiming) {
    this.timing = timing;
  }

  /** −Infinity: there is nothing to use. */
  get usableUntilMs(): number {
    return this.fetchedAtMs === null
      ? Number.NEGATIVE_INFINITY
      : this.fetchedAtMs + Math.max(this.timing.staleMs, this.timing.ttlMs);
  }

  /** No attempt because of an unknown id before this. */
  get coolUntilMs(): number {
    return this.attemptedAtMs === null ? Number.NEGATIVE_INFINITY : this.attemptedAtMs + this.timing.coolDownMs;
  }

  /** Before this, asking because of an unknown id is no use. */
  get askableAtMs(): number {
    return this.fetchedAtMs === null ? Math.min(this.coolUntilMs, this.dueAtMs - SOON_MS) : this.coolUntilMs;
  }

  due(nowMs: number): boolean {
    return !this.inFlight && nowMs >= this.dueAtMs;
  }

  /** A token names `kid` (null: none), and no key of the set fits. */
  want(kid: string | null, nowMs: number): Want {
    if (kid !== null && this.blocked.has(kid)) return 'no';
    if (this.inFlight) return 'wait';
    if (nowMs < this.askableAtMs) return 'no';
    if (nowMs < this.coolUntilMs) return 'wait';
    // Without a set, everything is unknown for want of a set, whatever its id.
    if (this.fetchedAtMs !== null && kid !== null && (this.#absent.get(kid) ?? Number.NEGATIVE_INFINITY) > nowMs) return 'no';
    return 'fetch';
  }

  begin(nowMs: number): void {
    this.inFlight = true;
    this.attemptedAtMs = nowMs;
  }

  /** `chance` in [0, 1): spreads nodes that started together. */
  succeed(keys: readonly PublicJwk[], ignored: KeySet['ignored'], nowMs: number, chance: number): void {
    for (const kid of this.blocked) if (!keys.some((key) => key.kid === kid)) this.blocked.delete(kid);
    this.keys = keys.filter((key) => key.kid === null || !this.blocked.has(key.kid));
    this.ignored = ignored;
    this.fetchedAtMs = nowMs;
    this.inFlight = false;
    this.failures = 0;
    this.trouble = null;
    this.#absent.clear();
    this.dueAtMs = nowMs + this.timing.ttlMs * (0.75 + 0.1 * chance);
  }

  fail(why: string, nowMs: number, chance: number): void {
    this.inFlight = false;
    this.failures += 1;
    this.trouble = why;
    const firstMs = this.fetchedAtMs === null ? Math.min(FIRST_RETRY_MS, this.timing.coolDownMs) : this.timing.coolDownMs;
    const backoffMs = Math.min(BACKOFF_MAX_MS, firstMs * 2 ** Math.min(this.failures - 1, 20));
    this.dueAtMs = nowMs + backoffMs * (1 + 0.2 * chance);
  }

  /** After a fetch that was begun for `kid` and did not bring it. */
  markAbsent(kid: string, nowMs: number): void {
    this.#absent.delete(kid);
    if (this.#absent.size >= ABSENT_MAX) this.#absent.delete(this.#absent.keys().next().value as string);
    this.#absent.set(kid, nowMs + ABSENT_COOL_DOWNS * this.timing.coolDownMs);
  }

  get absentCount(): number {
    return this.#absent.size;
  }

  /** A set from disk, `ageMs` old. It is due at once if it has passed its refresh age. */
  restore(keys: readonly PublicJwk[], blocked: readonly string[], ageMs: number, nowMs: number): void {
    for (const kid of blocked) this.blocked.add(kid);
    this.keys = keys.filter((key) => key.kid === null || !this.blocked.has(key.kid));
    this.fetchedAtMs = nowMs - ageMs;
    this.dueAtMs = this.fetchedAtMs + this.timing.ttlMs * 0.8;
  }

  /** `kid`: that key, at once and until the issuer stops publishing it; null: everything that is cached, blocks too. Due at once. */
  evict(kid: string | null, nowMs: number): void {
    if (kid === null) {
      this.keys = [];
      this.fetchedAtMs = null;
      this.blocked.clear();
      this.#absent.clear();
    } else {
      this.blocked.add(kid);
      this.keys = this.keys.filter((key) => key.kid !== kid);
    }
    this.dueAtMs = nowMs;
  }
}
