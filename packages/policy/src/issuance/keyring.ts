/**
 * The signing keys of an issuer. A record, not a list with statuses: two current keys, or a previous one that signs, cannot be
 * written down. Everything here is arithmetic; who keeps the private halves, and where, is not its business.
 *
 * Two waits make a rotation that refuses nobody. A verifier may hold a key set that is one cache life old, so a key is published
 * that long before it signs (`publishAheadMs`). A token may live `tokenLifetimeMaxMs`, so the key that signed it stays published
 * that long after it stopped. `skewMs` is added to the second wait: clocks differ, and a signature that was being made when the
 * key changed carries the old one.
 */

export interface KeyringTimes {
  /** From publication to the first signature: at least the cache life of a key set plus what clocks differ. */
  readonly publishAheadMs: number;
  /** No token is valid for longer. */
  readonly tokenLifetimeMaxMs: number;
  readonly skewMs: number;
}

/** Cache life of a key set at a node (300 s) and a minute of skew; tokens of at most an hour. */
export const DEFAULT_KEYRING_TIMES: KeyringTimes = Object.freeze({
  publishAheadMs: 360_000,
  tokenLifetimeMaxMs: 3_600_000,
  skewMs: 60_000,
});

/** What the arithmetic needs of a key; callers hang public halves and the like beside it. */
export interface RingKey {
  readonly kid: string;
}
/** In the key set since `publishedAtMs`; signs nothing yet. */
export type Staged<K extends RingKey> = K & { readonly publishedAtMs: number };
export type Signing<K extends RingKey> = Staged<K> & { readonly signsSinceMs: number };
/** In the key set for the tokens it signed; signs nothing more. */
export type Retiring<K extends RingKey> = Signing<K> & { readonly stoppedAtMs: number };

export interface Keyring<K extends RingKey = RingKey> {
  readonly current: Signing<K>;
  readonly next?: Staged<K>;
  readonly previous?: Retiring<K>;
}

export interface KeyringRefusal {
  readonly refused: 'rotation_pending' | 'nothing_staged' | 'not_published_long_enough' | 'previous_still_needed' | 'kid_known';
  /** When the same step would be allowed; null: not by waiting. */
  readonly atMs: number | null;
}

const refuse = (refused: KeyringRefusal['refused'], atMs: number | null = null): KeyringRefusal => ({ refused, atMs });

export const isKeyringRefusal = (value: object): value is KeyringRefusal => 'refused' in value;

/** The first ring of an issuer: nobody can hold an older key set, so its key signs at once. */
export function foundKeyring<K extends RingKey>(key: K, nowMs: number): Keyring<K> {
  return { current: { ...key, publishedAtMs: nowMs, signsSinceMs: nowMs } };
}

/** When the staged key may sign: its own wait is over and the place of `previous` is free. null: nothing is staged. */
export function promotableAtMs(ring: Keyring, times: KeyringTimes): number | null {
  if (ring.next === undefined) return null;
  return Math.max(ring.next.publishedAtMs + times.publishAheadMs, retirableAtMs(ring, times) ?? 0);
}

/** When the last token of the previous key has ended everywhere. null: there is none. */
export function retirableAtMs(ring: Keyring, times: KeyringTimes): number | null {
  return ring.previous === undefined ? null : ring.previous.stoppedAtMs + times.tokenLifetimeMaxMs + times.skewMs;
}

/** Publishes a key that will sign later. */
export function stage<K extends RingKey>(ring: Keyring<K>, key: K, nowMs: number): Keyring<K> | KeyringRefusal {
  if (ring.next !== undefined) return refuse('rotation_pending');
  if (published(ring).some(({ kid }) => kid === key.kid)) return refuse('kid_known');
  return { ...ring, next: { ...key, publishedAtMs: nowMs } };
}

/** The staged key signs from now on; the current one becomes previous. */
export function promote<K extends RingKey>(ring: Keyring<K>, nowMs: number, times: KeyringTimes): Keyring<K> | KeyringRefusal {
  const { current, next } = ring;
  if (next === undefined) return refuse('nothing_staged');
  const publishedLongEnoughMs = next.publishedAtMs + times.publishAheadMs;
  if (nowMs < publishedLongEnoughMs) return refuse('not_published_long_enough', promotableAtMs(ring, times));
  const freeAtMs = retirableAtMs(ring, times);
  if (freeAtMs !== null && nowMs < freeAtMs) return refuse('previous_still_needed', freeAtMs);
  return { current: { ...next, signsSinceMs: nowMs }, previous: { ...current, stoppedAtMs: nowMs } };
}

/** Takes the previous key out of the key set. */
export function retire<K extends RingKey>(ring: Keyring<K>, nowMs: number, times: KeyringTimes): Keyring<K> | KeyringRefusal {
  const freeAtMs = retirableAtMs(ring, times);
  if (freeAtMs === null) return ring;
  if (nowMs < freeAtMs) return refuse('previous_still_needed', freeAtMs);
  const { current, next } = ring;
  return { current, ...(next === undefined ? {} : { next }) };
}

/**
 * Emergency: `key` signs at once, though verifiers may not know it yet. The key that signed until now stays for its tokens; what
 * else was published is dropped, which refuses the tokens of an older previous key. `compromised`: the key that signed until now
 * is dropped too, and with it every token that it signed.
 */
export function replaceNow<K extends RingKey>(ring: Keyring<K>, key: K, nowMs: number, compromised: boolean): Keyring<K> {
  const current = { ...key, publishedAtMs: nowMs, signsSinceMs: nowMs };
  return compromised ? { current } : { current, previous: { ...ring.current, stoppedAtMs: nowMs } };
}

/** The key set, the signing key first. */
export function published<K extends RingKey>({ current, next, previous }: Keyring<K>): readonly Staged<K>[] {
  return [current, ...(next === undefined ? [] : [next]), ...(previous === undefined ? [] : [previous])];
}

export type KeyringStep = 'stage' | 'promote' | 'retire';

/**
 * The next thing a clockwork does, and when. `rotateEveryMs` null: nothing is staged by itself, but what was begun is finished.
 * A key is staged early, so that it signs when the current one is `rotateEveryMs` old.
 */
export function nextStep(
  ring: Keyring,
  times: KeyringTimes,
  rotateEveryMs: number | null,
): { readonly step: KeyringStep; readonly atMs: number } | null {
  const retireAtMs = retirableAtMs(ring, times);
  if (retireAtMs !== null) return { step: 'retire', atMs: retireAtMs };
  const promoteAtMs = promotableAtMs(ring, times);
  if (promoteAtMs !== null) return { step: 'promote', atMs: promoteAtMs };
  if (rotateEveryMs === null) return null;
  return { step: 'stage', atMs: ring.current.signsSinceMs + Math.max(0, rotateEveryMs - times.publishAheadMs) };
}
