import { expect, test } from '@jest/globals';
import {
  DEFAULT_KEYRING_TIMES,
  foundKeyring,
  isKeyringRefusal,
  type Keyring,
  type KeyringTimes,
  nextStep,
  promotableAtMs,
  promote,
  published,
  replaceNow,
  retirableAtMs,
  retire,
  stage,
} from './keyring.ts';

const times = DEFAULT_KEYRING_TIMES;
const kids = (ring: Keyring) => published(ring).map(({ kid }) => kid);
function sure<T extends object>(value: T): Exclude<T, { refused: unknown }> {
  if (isKeyringRefusal(value)) throw new Error(`refused: ${value.refused}`);
  return value as Exclude<T, { refused: unknown }>;
}

test('a staged key is published at once, signs only after one cache life, and the old one stays for its tokens', () => {
  let ring = foundKeyring({ kid: 'a' }, 0);
  ring = sure(stage(ring, { kid: 'b' }, 1000));
  expect([ring.current.kid, kids(ring)]).toEqual(['a', ['a', 'b']]);
  expect(promote(ring, 1000 + times.publishAheadMs - 1, times)).toEqual({
    refused: 'not_published_long_enough',
    atMs: 1000 + times.publishAheadMs,
  });
  const promotedMs = 1000 + times.publishAheadMs;
  ring = sure(promote(ring, promotedMs, times));
  expect([ring.current.kid, kids(ring)]).toEqual(['b', ['b', 'a']]);
  const freeMs = promotedMs + times.tokenLifetimeMaxMs + times.skewMs;
  expect(retire(ring, freeMs - 1, times)).toEqual({ refused: 'previous_still_needed', atMs: freeMs });
  expect(kids(sure(retire(ring, freeMs, times)))).toEqual(['b']);
});

test('a second rotation waits until the tokens of the one before have ended, and says when that is', () => {
  let ring = sure(promote(sure(stage(foundKeyring({ kid: 'a' }, 0), { kid: 'b' }, 0)), times.publishAheadMs, times));
  expect(stage(ring, { kid: 'a' }, 1)).toEqual({ refused: 'kid_known', atMs: null });
  ring = sure(stage(ring, { kid: 'c' }, times.publishAheadMs));
  expect(stage(ring, { kid: 'd' }, times.publishAheadMs)).toEqual({ refused: 'rotation_pending', atMs: null });
  const freeMs = times.publishAheadMs + times.tokenLifetimeMaxMs + times.skewMs;
  expect(promote(ring, freeMs - 1, times)).toEqual({ refused: 'previous_still_needed', atMs: freeMs });
  expect(promotableAtMs(ring, times)).toBe(freeMs);
  expect(kids(sure(promote(ring, freeMs, times)))).toEqual(['c', 'b']);
});

test('nothing staged cannot be promoted, nothing previous is retired without a word', () => {
  const ring = foundKeyring({ kid: 'a' }, 0);
  expect(promote(ring, 1e12, times)).toEqual({ refused: 'nothing_staged', atMs: null });
  expect(retire(ring, 1e12, times)).toBe(ring);
  expect([promotableAtMs(ring, times), retirableAtMs(ring, times)]).toEqual([null, null]);
});

test('an emergency signs at once; only a compromise takes the old key out of the key set', () => {
  const ring = sure(stage(foundKeyring({ kid: 'a' }, 0), { kid: 'b' }, 0));
  expect(kids(replaceNow(ring, { kid: 'c' }, 5, false))).toEqual(['c', 'a']);
  expect(kids(replaceNow(ring, { kid: 'c' }, 5, true))).toEqual(['c']);
});

test('the clockwork stages early enough for the new key to sign when the old one is of age', () => {
  const everyMs = 30 * 86_400_000;
  let ring = foundKeyring({ kid: 'a' }, 0);
  expect(nextStep(ring, times, null)).toBeNull();
  const due = nextStep(ring, times, everyMs);
  expect(due).toEqual({ step: 'stage', atMs: everyMs - times.publishAheadMs });
  ring = sure(stage(ring, { kid: 'b' }, due?.atMs ?? 0));
  expect(nextStep(ring, times, null)).toEqual({ step: 'promote', atMs: everyMs });
  ring = sure(promote(ring, everyMs, times));
  expect(nextStep(ring, times, everyMs)).toEqual({ step: 'retire', atMs: everyMs + times.tokenLifetimeMaxMs + times.skewMs });
});

/** mulberry32: the same schedules on every run. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Token {
  readonly kid: string;
  /** By the clock of the verifier. */
  readonly untilMs: number;
}

/**
 * Several nodes hold key sets of up to one cache life and never ask because of an unknown kid; two control planes sign by a ring that one of
 * them may have read a moment ago; somebody stages, promotes and retires whenever it comes to mind.
 */
function storm(seed: number, on: KeyringTimes, cacheMs = 300_000): { verified: number; rotations: number } {
  const { tokenLifetimeMaxMs, skewMs } = times;
  const next = chance(seed);
  const upTo = (most: number) => Math.floor(next() * (most + 1));
  let serial = 0;
  let nowMs = 1_000_000;
  let ring: Keyring = foundKeyring({ kid: `k${serial}` }, nowMs);
  let stale = { ring, readAtMs: nowMs };
  const nodes = Array.from({ length: 3 }, () => ({ kids: new Set(kids(ring)), fetchedAtMs: nowMs }));
  let tokens: Token[] = [];
  const tally = { verified: 0, rotations: 0 };
  for (let turn = 0; turn < 3000; turn += 1) {
    nowMs += next() < 0.02 ? upTo(tokenLifetimeMaxMs) : upTo(Math.max(1, Math.floor(cacheMs / 4)));
    // A slow control plane signs by what it read up to half the skew ago.
    if (nowMs - stale.readAtMs > skewMs / 2) stale = { ring, readAtMs: nowMs };
    const deed = next();
    if (deed < 0.15) {
      serial += 1;
      const staged = stage(ring, { kid: `k${serial}` }, nowMs);
      if (!isKeyringRefusal(staged)) ring = staged;
    } else if (deed < 0.4) {
      const promoted = promote(ring, nowMs, on);
      if (!isKeyringRefusal(promoted)) {
        ring = promoted;
        tally.rotations += 1;
      }
    } else if (deed < 0.5) {
      const retired = retire(ring, nowMs, on);
      if (!isKeyringRefusal(retired)) ring = retired;
    } else if (deed < 0.8) {
      const by = next() < 0.5 ? ring : stale.ring;
      // The verifier allows up to half the skew beyond `exp`.
      tokens.push({ kid: by.current.kid, untilMs: nowMs + upTo(tokenLifetimeMaxMs) + Math.floor(skewMs / 2) });
    }
    for (const node of nodes) {
      if (nowMs - node.fetchedAtMs < cacheMs && next() > 0.05) continue;
      node.kids = new Set(kids(ring));
      node.fetchedAtMs = nowMs;
    }
    tokens = tokens.filter(({ untilMs }) => untilMs >= nowMs);
    for (const { kid } of tokens)
      for (const node of nodes) {
        if (!node.kids.has(kid)) throw new Error(`seed ${seed}, turn ${turn}: a valid token of ${kid} was refused`);
        tally.verified += 1;
      }
  }
  return tally;
}

test('no valid token is refused by any node with a cached key set, whatever the schedule of rotations and signatures', () => {
  let rotations = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const done = storm(seed, times);
    expect(done.verified).toBeGreaterThan(1000);
    rotations += done.rotations;
  }
  expect(rotations).toBeGreaterThan(300);
});

test.each([
  ['signs before every cache can know the key', { ...times, publishAheadMs: 60_000 }],
  ['drops a key before its last token has ended', { ...times, tokenLifetimeMaxMs: 1_800_000 }],
])('the same storm breaks a ring that %s, so the test above means something', (_what, wrong) => {
  expect(() => {
    for (let seed = 1; seed <= 40; seed += 1) storm(seed, wrong);
  }).toThrow(/was refused/);
});
