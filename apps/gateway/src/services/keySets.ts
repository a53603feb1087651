import type { PublicJwk, TokenProvider } from '@fluxgate/policy';
import { type Discovered, type KeySetFetched, mayKeep } from './fetchKeySet.ts';
import { KeySet } from './key-set.ts';
import type { KeySetDisk } from './keySetDisk.ts';
import type { KeySetCount, KeysMessage } from './messages.ts';

export interface KeySetsParts {
  readonly fetch: (provider: TokenProvider, known: Discovered | null, nowMs: number) => Promise<KeySetFetched>;
  readonly disk: KeySetDisk;
  readonly coolDownMs: number;
  readonly staleMs: number;
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
  /** In [0, 1). */
  readonly chance: () => number;
  /** Returns what cancels it. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** A set changed, or the time until which it may be used. */
  readonly publish: (message: KeysMessage) => void;
  readonly log: (level: 'info' | 'warn' | 'error', event: string, fields: Readonly<Record<string, string | number>>) => void;
}

interface Held {
  provider: TokenProvider;
  readonly set: KeySet;
  discovered: Discovered | null;
  /** The fetch under way; settles when its outcome was published. */
  fetching: Promise<void> | null;
  fetches: number;
  /** Wait for an attempt that is about to begin. */
  waiting: (() => void)[];
  cancel: () => void;
}

/** What `fluxctl jwks status` shows of one issuer on one node. */
export interface KeySetStatus {
  readonly issuer: string;
  readonly jwks_uri: string | null;
  /** fresh: within cache_ttl; stale: older, still used; expired: too old, 503; empty: nothing yet, 503. */
  readonly state: 'fresh' | 'stale' | 'expired' | 'empty';
  readonly keys: readonly { readonly kid: string | null; readonly type: string; readonly alg: string | null }[];
  readonly blocked: readonly string[];
  readonly ignored: readonly { readonly kid: string | null; readonly why: string }[];
  readonly fetched_at: string | null;
  readonly next_fetch_at: string | null;
  readonly usable_until: string | null;
  readonly failures: number;
  readonly trouble: string | null;
}

/** Timers longer than this wake up once in between. */
const TIMER_MAX_MS = 3_600_000;

/** Fetches, keeps and refreshes the key sets of all providers, one fetch at a time each. The rules are in `key-set.ts`. */
export class KeySets {
  readonly #parts: KeySetsParts;
  readonly #held = new Map<string, Held>();

  constructor(parts: KeySetsParts) {
    this.#parts = parts;
  }

  /** The providers that plans name now. New ones are loaded from disk and fetched; others are let go. */
  setProviders(providers: readonly TokenProvider[]): void {
    const wanted = new Map(providers.map((one) => [one.id, one]));
    for (const [id, held] of this.#held) {
      if (wanted.has(id)) continue;
      held.cancel();
      for (const resolve of held.waiting.splice(0)) resolve();
      this.#held.delete(id);
    }
    for (const provider of wanted.values()) {
      const held = this.#held.get(provider.id);
      if (held === undefined) this.#hold(provider);
      else if (held.provider.cacheTtlMs !== provider.cacheTtlMs) {
        held.provider = provider;
        held.set.timing = this.#timing(provider);
        if (held.set.fetchedAtMs !== null)
          held.set.dueAtMs = Math.min(held.set.dueAtMs, held.set.fetchedAtMs + provider.cacheTtlMs * 0.8);
        this.#schedule(held);
      }
    }
  }

  /** Sets that there are; what was never fetched is not told, so that a worker keeps what it may still have. */
  published(): KeysMessage[] {
    return [...this.#held.values()].filter(({ set }) => set.fetchedAtMs !== null).map(messageOf);
  }

  /** A token names a key that is not there. Resolves at once when asking the issuer would be no use or too early, else after the fetch. */
  async want(id: string, kid: string | null): Promise<void> {
    const held = this.#held.get(id);
    if (held === undefined) return;
    const want = held.set.want(kid, this.#parts.monotonicMs());
    if (want === 'no') return;
    if (want === 'fetch') await this.#fetch(held, false);
    else await (held.fetching ?? new Promise<void>((resolve) => held.waiting.push(resolve)));
    if (kid !== null && held.set.failures === 0 && !held.set.keys.some((key) => key.kid === kid))
      held.set.markAbsent(kid, this.#parts.monotonicMs());
  }

  /** Before this, `want` would answer at once that it is no use. */
  askableAtMs(id: string): number {
    return this.#held.get(id)?.set.askableAtMs ?? Number.NEGATIVE_INFINITY;
  }

  /** Fetches now, whatever the times say. null: every issuer. The number that was asked for. */
  async refresh(issuer: string | null): Promise<number> {
    const asked = this.#of(issuer);
    await Promise.all(asked.map((held) => held.fetching ?? this.#fetch(held, true)));
    return asked.length;
  }

  /** Instantly, then fetches anew. `kid` null: the whole set. */
  evict(issuer: string, kid: string | null): number {
    const asked = this.#of(issuer);
    for (const held of asked) {
      held.set.evict(kid, this.#parts.monotonicMs());
      this.#parts.log('warn', 'keys were evicted by an operator', { issuer, kid: kid ?? 'all of them' });
      this.#parts.publish(messageOf(held));
      this.#save(held);
      this.#schedule(held);
    }
    return asked.length;
  }

  /** Resolves when no fetch is under way. */
  async idle(): Promise<void> {
    for (const held of this.#held.values()) await held.fetching;
  }

  status(): KeySetStatus[] {
    const nowMs = this.#parts.monotonicMs();
    const wallMs = this.#parts.wallMs();
    const date = (ms: number | null): string | null =>
      ms === null || !Number.isFinite(ms) ? null : new Date(wallMs + ms - nowMs).toISOString();
    return [...this.#held.values()].map(({ provider, set, discovered }) => ({
      issuer: provider.issuer,
      jwks_uri: provider.jwksUri ?? discovered?.jwksUri ?? null,
      state: stateOf(set, nowMs),
      keys: set.keys.map((key) => ({ kid: key.kid, type: typeOf(key), alg: key.alg })),
      blocked: [...set.blocked],
      ignored: set.ignored,
      fetched_at: date(set.fetchedAtMs),
      next_fetch_at: date(set.dueAtMs),
      usable_until: date(set.usableUntilMs),
      failures: set.failures,
      trouble: set.trouble,
    }));
  }

  counts(): KeySetCount[] {
    const nowMs = this.#parts.monotonicMs();
    return [...this.#held.values()].map(({ provider, set, fetches }) => ({
      issuer: provider.issuer,
      keys: set.keys.length,
      ageMs: set.fetchedAtMs === null ? null : nowMs - set.fetchedAtMs,
      fetches,
      failures: set.failures,
    }));
  }

  #of(issuer: string | null): Held[] {
    return [...this.#held.values()].filter((held) => issuer === null || held.provider.issuer === issuer);
  }

  #timing(provider: TokenProvider): KeySet['timing'] {
    return { ttlMs: provider.cacheTtlMs, coolDownMs: this.#parts.coolDownMs, staleMs: this.#parts.staleMs };
  }

  #hold(provider: TokenProvider): void {
    const held: Held = {
      provider,
      set: new KeySet(this.#timing(provider)),
      discovered: null,
      fetching: null,
      fetches: 0,
      waiting: [],
      cancel: () => {},
    };
    this.#held.set(provider.id, held);
    const stored = this.#parts.disk.load(provider.id);
    if (stored !== null) {
      // A wall clock that went back must not make a set younger than new.
      const ageMs = Math.max(0, this.#parts.wallMs() - stored.fetchedAtMs);
      held.set.restore(stored.keys, stored.blocked, ageMs, this.#parts.monotonicMs());
    }
    if (stored !== null) this.#parts.publish(messageOf(held));
    this.#schedule(held);
  }

  #schedule(held: Held): void {
    held.cancel();
    const waitMs = Math.max(0, held.set.dueAtMs - this.#parts.monotonicMs());
    if (waitMs === 0) {
      held.cancel = () => {};
      if (!held.set.inFlight) void this.#fetch(held, true);
      return;
    }
    held.cancel = this.#parts.after(Math.min(waitMs, TIMER_MAX_MS), () => this.#schedule(held));
  }

  /** `background`: nobody waits for it, so the issuer's metadata may be asked for again. Never rejects. */
  #fetch(held: Held, background: boolean): Promise<void> {
    held.set.begin(this.#parts.monotonicMs());
    held.fetches += 1;
    const fetching = this.#run(held, background).finally(() => {
      held.fetching = null;
      for (const resolve of held.waiting.splice(0)) resolve();
      if (this.#held.get(held.provider.id) === held) this.#schedule(held);
    });
    held.fetching = fetching;
    return fetching;
  }

  async #run(held: Held, background: boolean): Promise<void> {
    const { fetch, monotonicMs, chance, log } = this.#parts;
    const beganMs = monotonicMs();
    const known = background && !mayKeep(held.discovered, held.set.failures, beganMs) ? null : held.discovered;
    const outcome = await fetch(held.provider, known, beganMs).catch(
      (error: unknown): KeySetFetched => ({ ok: false, why: `failed: ${String(error).slice(0, 200)}`, discovered: null }),
    );
    held.discovered = outcome.discovered ?? held.discovered;
    const { issuer } = held.provider;
    if (!outcome.ok) {
      held.set.fail(outcome.why, monotonicMs(), chance());
      log('warn', 'the keys of an issuer could not be fetched', {
        issuer,
        why: outcome.why,
        failures: held.set.failures,
        keysInUse: held.set.keys.length,
      });
      return;
    }
    const before = kidsOf(held.set.keys);
    held.set.succeed(outcome.set.keys, outcome.set.ignored, monotonicMs(), chance());
    const after = kidsOf(held.set.keys);
    if (before !== after)
      log('info', 'the keys of an issuer changed', { issuer, before, after, ignored: outcome.set.ignored.length });
    this.#parts.publish(messageOf(held));
    this.#save(held);
  }

  #save(held: Held): void {
    const { set, provider } = held;
    if (set.fetchedAtMs === null) return;
    const fetchedAtMs = this.#parts.wallMs() - (this.#parts.monotonicMs() - set.fetchedAtMs);
    try {
      this.#parts.disk.save(provider.id, { keys: set.keys, blocked: [...set.blocked], fetchedAtMs });
    } catch (error) {
      this.#parts.log('error', 'a key set could not be written to disk', {
        issuer: provider.issuer,
        why: (error as NodeJS.ErrnoException).code ?? 'unknown',
      });
    }
  }
}

function messageOf({ provider, set }: Held): KeysMessage {
  return { t: 'keys', provider: provider.id, keys: set.keys, usableUntilMs: set.usableUntilMs };
}

function stateOf(set: KeySet, nowMs: number): KeySetStatus['state'] {
  if (set.fetchedAtMs === null) return 'empty';
  if (nowMs >= set.usableUntilMs) return 'expired';
  return nowMs - set.fetchedAtMs < set.timing.ttlMs ? 'fresh' : 'stale';
}

const typeOf = (key: PublicJwk): string => (key.material.kty === 'RSA' ? 'RSA' : key.material.crv);
const kidsOf = (keys: readonly PublicJwk[]): string =>
  keys
    .map((key) => key.kid ?? '(no id)')
    .join(', ')
    .slice(0, 500);
