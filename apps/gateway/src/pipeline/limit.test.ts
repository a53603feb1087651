import { expect, test } from '@jest/globals';
import type { Answer } from '../seam.ts';
import { apiKey, forwarded, headerOf, NOW_MS, route, seen, testKey, world } from './fakes.ts';

const key = testKey('analytics');
const quota = { limit: 100, window: 'day', zone: 'UTC' } as const;
const Q = 'q:7:2026-11-21';
const B = `b:${key.kid}`;

test('over the tier is 429 with Retry-After, and the fields say what is left', () => {
  const w = world({ keys: [key], tiers: [{ name: 'staging', scope: 'read:metrics', rate: { limit: 2, perMs: 60_000 } }] });
  const first = forwarded(w.ask(key));
  expect(headerOf(first.responseSet, 'RateLimit-Policy')).toBe('"staging";q=2;w=60');
  expect(headerOf(first.responseSet, 'RateLimit')).toBe('"staging";r=1;t=30');
  expect(seen(w.ask(key))).toBe('forward');
  const refused = w.ask(key) as Answer;
  expect(seen(refused)).toBe('429 rate_limited');
  expect(headerOf(refused.headers, 'Retry-After')).toBe('30');
  expect(headerOf(refused.headers, 'RateLimit')).toBe('"staging";r=0;t=60');
});

test('all versions of a credential share its tier, another credential has its own', () => {
  const next = testKey('analytics-v2');
  const other = testKey('billing', { credential: 8 });
  const w = world({ keys: [key, next, other], tiers: [{ name: 'one', scope: 'read:metrics', rate: { limit: 1, perMs: 1000 } }] });
  expect([seen(w.ask(key)), seen(w.ask(next)), seen(w.ask(other))]).toEqual(['forward', '429 rate_limited', 'forward']);
});

test('a limit by address counts strangers too, before their key is looked at', () => {
  const shield = {
    kind: 'rate_limit',
    rate: { limit: 1, perMs: 1000 },
    burst: 2,
    by: 'address',
    onAuthorityLoss: 'local',
  } as const;
  const w = world({ keys: [key], routes: [route('/closed', [apiKey(), shield])] });
  expect(seen(w.ask(null))).toBe('401 invalid_api_key');
  expect(seen(w.ask(null))).toBe('401 invalid_api_key');
  expect(seen(w.ask(key))).toBe('429 rate_limited');
  expect(w.index.asked).toEqual([]);
  expect(seen(w.ask(key, { client: '192.0.2.11' }))).toBe('forward');
});

test('who owns an IPv6 network is one address to a limit by address: another of its addresses is no fresh start', () => {
  const byAddress = {
    kind: 'rate_limit',
    rate: { limit: 1, perMs: 60_000 },
    burst: 1,
    by: 'address',
    onAuthorityLoss: 'local',
  } as const;
  const w = world({ routes: [route('/open', [byAddress], { auth: 'none' })] });
  const from = (client: string) => seen(w.ask(null, { path: '/open', client }));
  expect([from('2001:db8:0:1::1'), from('2001:db8:0:1:ffff::2'), from('2001:db8:0:2::1')]).toEqual([
    'forward',
    '429 rate_limited',
    'forward',
  ]);
  expect([from('192.0.2.1'), from('192.0.2.2'), from('192.0.2.1')]).toEqual(['forward', 'forward', '429 rate_limited']);
});

test('a refused request uses up nobody’s rate by key, and no token', () => {
  const byKey = { kind: 'rate_limit', rate: { limit: 1, perMs: 60_000 }, burst: 1, by: 'key', onAuthorityLoss: 'local' } as const;
  const w = world({ keys: [key], grant: { quota, requestBudget: 5 }, routes: [route('/closed', [byKey, apiKey(['write'])])] });
  expect(seen(w.ask(key))).toBe('403 insufficient_scope');
  expect(w.counters.taken).toEqual([]);
  expect(w.leases.requests).toBe(0);
});

test('each admitted request costs one token of the budget and one of the quota, also when both keys are asked for twice', async () => {
  const w = world({
    keys: [key],
    grant: { quota, requestBudget: 5 },
    routes: [route('/closed', [apiKey(), apiKey(['read:metrics'])])],
  });
  w.leases.here.set(Q, 3).set(B, 3);
  const decision = forwarded(w.ask(key));
  expect([w.leases.here.get(Q), w.leases.here.get(B)]).toEqual([2, 2]);
  expect(headerOf(decision.responseSet, 'RateLimit')).toBe('"quota";r=2;t=43200');
  expect(headerOf(decision.responseSet, 'RateLimit-Policy')).toBe('"quota";q=100;w=86400');
});

test('an empty lease is fetched, and the request waits for it', async () => {
  const w = world({ keys: [key], grant: { quota, requestBudget: 2 } });
  w.leases.authority.set(Q, 10).set(B, 2);
  const decisions = await Promise.all([1, 2, 3].map(() => w.askSlowly(key)));
  expect(decisions.map(seen).sort()).toEqual(['401 budget_exhausted', 'forward', 'forward']);
  expect((w.leases.authority.get(Q) ?? 0) + (w.leases.here.get(Q) ?? 0)).toBe(8);
  expect(headerOf((decisions.find((one) => one.kind === 'answer') as Answer).headers, 'X-FluxGate-Reason')).toBe(
    'budget_exhausted',
  );
});

test('a used-up quota is 429 until the window ends, and gives the budget its token back', async () => {
  const w = world({ keys: [key], grant: { quota, requestBudget: 5 } });
  w.leases.here.set(B, 5);
  w.leases.authority.set(Q, 0);
  const refused = w.ask(key) as Answer;
  expect(seen(refused)).toBe('429 quota_exceeded');
  expect(headerOf(refused.headers, 'Retry-After')).toBe('43200');
  expect(w.leases.here.get(B)).toBe(5);
  w.clock.nowMs = NOW_MS + 12 * 3_600_000;
  w.leases.authority.set('q:7:2026-11-22', 1);
  expect(seen(await w.askSlowly(key))).toBe('forward');
});

test('an exhausted budget takes nothing from the quota that the next version shares', () => {
  const w = world({ keys: [key], grant: { quota, requestBudget: 5 } });
  w.leases.here.set(Q, 5);
  w.leases.authority.set(B, 0);
  expect(seen(w.ask(key))).toBe('401 budget_exhausted');
  expect(w.leases.here.get(Q)).toBe(5);
});

test('with the authority away a quota denies, is paced here, or passes, as configured, and it is counted', async () => {
  const outcome = async (onAuthorityLoss: 'deny' | 'local' | 'allow') => {
    const w = world({ keys: [key], grant: { quota: { ...quota, limit: 20 } }, settings: { onAuthorityLoss } });
    w.leases.away = true;
    const all: string[] = [];
    for (let i = 0; i < 4; i++) all.push(seen(await w.askSlowly(key)));
    expect(w.losses).toEqual(Array(4).fill(`quota ${onAuthorityLoss}`));
    return all;
  };
  const denied = '503 authority_unavailable';
  expect(await outcome('deny')).toEqual([denied, denied, denied, denied]);
  expect(await outcome('local')).toEqual(['forward', 'forward', denied, denied]);
  expect(await outcome('allow')).toEqual(['forward', 'forward', 'forward', 'forward']);
});

test('a lifetime budget without its authority passes only where everything shall pass', async () => {
  for (const [onAuthorityLoss, expected] of [
    ['local', '503 authority_unavailable'],
    ['allow', 'forward'],
  ] as const) {
    const w = world({ keys: [key], grant: { requestBudget: 5 }, settings: { onAuthorityLoss } });
    w.leases.away = true;
    expect(seen(await w.askSlowly(key))).toBe(expected);
  }
});

test('a key that is revoked while its request waits for a lease is refused, and its tokens are given back', async () => {
  const mine = testKey('waiting');
  const w = world({ keys: [mine], grant: { quota } });
  w.leases.authority.set(Q, 5);
  w.leases.meanwhile = () => {
    mine.record.state = 2;
  };
  expect(seen(await w.askSlowly(mine))).toBe('401 key_revoked');
  expect((w.leases.here.get(Q) ?? 0) + (w.leases.authority.get(Q) ?? 0)).toBe(5);
});

test('a request that waits is not mixed up with those that pass it', async () => {
  const quick = testKey('quick', { grant: 2, credential: 9 });
  const w = world({ keys: [key, quick], grant: { quota } });
  w.index.grants.set(2, JSON.stringify({ scopes: [], routes: null, cidrs: null, quota: null, requestBudget: null, owner: null }));
  w.leases.authority.set(Q, 5);
  const waiting = w.askSlowly(key);
  expect(forwarded(w.ask(quick)).principal).toBe('quick');
  expect(forwarded(await waiting).principal).toBe('analytics');
});
