import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TokenProvider } from '@fluxgate/policy';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { runCommand } from './commands.ts';
import { fetchKeySet, metadataUrls } from './fetchKeySet.ts';
import { keySetDisk } from './keySetDisk.ts';
import { KeySets } from './keySets.ts';
import { json, type LyingIssuer, startIssuer, status } from './lyingIssuer.ts';
import type { KeysMessage } from './messages.ts';

const HOUR_MS = 3_600_000;
const materials = Array.from({ length: 4 }, () =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
);
const jwk = (kid: string, n = 0): object => ({ ...materials[n], kid, use: 'sig' });
const serve = (...kids: string[]) => json({ keys: kids.map((kid, i) => jwk(kid, i % 4)) });

let issuer: LyingIssuer;
let dir: string;
let clock: { monotonicMs: number; wallMs: number };
let timers: { atMs: number; run: () => void }[];
let published: KeysMessage[];
let logged: string[];

beforeEach(async () => {
  issuer = await startIssuer();
  dir = mkdtempSync(join(tmpdir(), 'fluxgate-jwks-'));
  clock = { monotonicMs: 50_000, wallMs: 1_800_000_000_000 };
  timers = [];
  published = [];
  logged = [];
});
afterEach(async () => {
  await issuer.close();
  rmSync(dir, { recursive: true, force: true });
});

const provider = (change: Partial<TokenProvider> = {}): TokenProvider => ({
  id: 'p',
  issuer: issuer.url,
  jwksUri: `${issuer.url}/jwks`,
  cacheTtlMs: 300_000,
  ...change,
});

function keySets(): KeySets {
  return new KeySets({
    fetch: (one, known, nowMs) => fetchKeySet(one, known, async () => [{ address: '127.0.0.1', family: 4 }], nowMs),
    disk: keySetDisk(dir),
    coolDownMs: 10_000,
    staleMs: 24 * HOUR_MS,
    monotonicMs: () => clock.monotonicMs,
    wallMs: () => clock.wallMs,
    chance: () => 0.5,
    after: (ms, run) => {
      const timer = { atMs: clock.monotonicMs + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    publish: (message) => published.push(message),
    log: (level, event, fields) => logged.push(`${level} ${event} ${fields['why'] ?? ''}`),
  });
}

/** Time passes; what falls due runs, and its fetches come to their end. */
async function pass(sets: KeySets, ms: number): Promise<void> {
  const endMs = clock.monotonicMs + ms;
  for (;;) {
    const next = timers.filter((one) => one.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
    if (next === undefined) break;
    clock.wallMs += next.atMs - clock.monotonicMs;
    clock.monotonicMs = next.atMs;
    timers = timers.filter((one) => one !== next);
    next.run();
    await sets.idle();
  }
  clock.wallMs += endMs - clock.monotonicMs;
  clock.monotonicMs = endMs;
}

async function held(...kids: string[]): Promise<KeySets> {
  issuer.answer = serve(...kids);
  const sets = keySets();
  sets.setProviders([provider()]);
  await sets.idle();
  expect(kidsOf(sets)).toEqual(kids);
  return sets;
}

const kidsOf = (sets: KeySets): (string | null)[] => sets.status()[0]?.keys.map((key) => key.kid) ?? [];
const stateOf = (sets: KeySets): string | undefined => sets.status()[0]?.state;
const lastPublished = (): KeysMessage | undefined => published.at(-1);

test('a set is fetched before it is needed, and refreshed in the background at about four fifths of its life', async () => {
  const sets = await held('a');
  expect(issuer.asked).toHaveLength(1);
  await pass(sets, 239_000);
  expect(issuer.asked).toHaveLength(1);
  issuer.answer = serve('a', 'b');
  await pass(sets, 2000);
  expect(issuer.asked).toHaveLength(2);
  expect([kidsOf(sets), stateOf(sets)]).toEqual([['a', 'b'], 'fresh']);
  await pass(sets, HOUR_MS);
  expect(issuer.asked).toHaveLength(2 + 15);
});

test('a removed key is gone with the next refresh, within its life (mecatl#449)', async () => {
  const sets = await held('old', 'new');
  issuer.answer = serve('new');
  await pass(sets, 300_000);
  expect(kidsOf(sets)).toEqual(['new']);
  expect(lastPublished()?.keys.map((key) => key.kid)).toEqual(['new']);
});

test('a thousand ids out of thin air cause one fetch per cool-down, counted from the last attempt, and none is evicted for them', async () => {
  const sets = await held('a');
  await pass(sets, 10_000);
  const before = issuer.asked.length;
  await Promise.all(Array.from({ length: 1000 }, (_, i) => sets.want('p', `random-${i}`)));
  expect(issuer.asked.length - before).toBe(1);
  for (let i = 0; i < 1000; i += 1) await sets.want('p', `more-${i}`);
  expect(issuer.asked.length - before).toBe(1);
  issuer.answer = status(500);
  await pass(sets, 10_000);
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 300; i += 1) await sets.want('p', `failing-${round}-${i}`);
    await pass(sets, 3000);
  }
  expect(issuer.asked.length - before).toBe(2);
  expect(kidsOf(sets)).toEqual(['a']);
});

test('one and the same unknown id is not asked for in every cool-down', async () => {
  const sets = await held('a');
  await pass(sets, 10_000);
  const before = issuer.asked.length;
  for (let i = 0; i < 3; i += 1) {
    await sets.want('p', 'stale-client');
    await pass(sets, 10_000);
  }
  expect(issuer.asked.length - before).toBe(1);
});

test('rotated twice in a minute: each new key is there for the first token that names it', async () => {
  const sets = await held('k1');
  await pass(sets, 15_000);
  issuer.answer = serve('k1', 'k2');
  await sets.want('p', 'k2');
  expect(kidsOf(sets)).toEqual(['k1', 'k2']);
  await pass(sets, 20_000);
  issuer.answer = serve('k2', 'k3');
  await sets.want('p', 'k3');
  expect(kidsOf(sets)).toEqual(['k2', 'k3']);
});

test('lies never cost a good key: HTML, 10 MB, wrong types, emptiness, errors', async () => {
  const sets = await held('a', 'b');
  const lies = [
    json('<html>', { 'content-type': 'text/html' }),
    json({ keys: ['x'.repeat(300_000)] }),
    json([]),
    json('null'),
    json({ keys: {} }),
    json({ keys: [] }),
    json({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'a' }] }),
    json({ keys: [{ kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'a' }] }),
    status(500),
    status(302, { location: 'https://169.254.169.254/' }),
  ];
  for (const lie of lies) {
    issuer.answer = lie;
    await sets.refresh(null);
    expect([kidsOf(sets), sets.status()[0]?.trouble === null]).toEqual([['a', 'b'], false]);
    await sets.idle();
  }
  issuer.answer = json({ keys: [jwk('c'), jwk('c', 1), { kty: 'EC', crv: 'P-256', kid: 'bad', x: 1 }, null, 7] });
  await sets.refresh(null);
  expect(kidsOf(sets)).toEqual(['c', 'c']);
  expect(sets.status()[0]?.ignored).toHaveLength(3);
});

test('an outage: the set is used for a day, tried again ever more slowly, then it is too old; it recovers by itself', async () => {
  const sets = await held('a');
  issuer.answer = status(503);
  await pass(sets, 23 * HOUR_MS);
  expect([kidsOf(sets), stateOf(sets)]).toEqual([['a'], 'stale']);
  const attempts = issuer.asked.length;
  expect(attempts).toBeGreaterThan(100);
  expect(attempts).toBeLessThan(23 * 60 + 10);
  await pass(sets, HOUR_MS + 1);
  expect(stateOf(sets)).toBe('expired');
  expect(lastPublished()?.usableUntilMs).toBeLessThanOrEqual(clock.monotonicMs);
  issuer.answer = serve('b');
  await pass(sets, 80_000);
  expect([kidsOf(sets), stateOf(sets)]).toEqual([['b'], 'fresh']);
});

test('an issuer that is down when the node starts is tried again at once, then slower, and waited for while an attempt is near', async () => {
  issuer.answer = status(500);
  const sets = keySets();
  sets.setProviders([provider()]);
  await sets.idle();
  expect(stateOf(sets)).toBe('empty');
  issuer.answer = serve('a');
  let answered = false;
  const waiting = sets.want('p', 'a').then(() => {
    answered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(answered).toBe(false);
  await pass(sets, 500);
  await waiting;
  expect(kidsOf(sets)).toEqual(['a']);

  sets.setProviders([]);
  const down = keySets();
  issuer.answer = status(500);
  const before = issuer.asked.length;
  down.setProviders([provider({ id: 'q' })]);
  await down.idle();
  await pass(down, HOUR_MS);
  expect(issuer.asked.length - before).toBeLessThan(90);
  await down.want('q', 'a');
});

test('issuer alone is enough: metadata tells where the keys are, and must be of that issuer', async () => {
  const metadata = (change: object = {}) => json({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...change });
  const keys = serve('a');
  let found = metadata();
  issuer.answer = (request, response) => (request.url === '/keys' ? keys : found)(request, response);
  const sets = keySets();
  sets.setProviders([provider({ jwksUri: null })]);
  await sets.idle();
  expect(kidsOf(sets)).toEqual(['a']);
  expect(issuer.asked).toEqual(['/.well-known/openid-configuration', '/keys']);
  await pass(sets, 10_000);
  await sets.want('p', 'nobody');
  expect(issuer.asked).toEqual(['/.well-known/openid-configuration', '/keys', '/keys']);

  for (const change of [
    { issuer: 'https://evil.example' },
    { issuer: `${issuer.url}/` },
    { jwks_uri: 7 },
    { jwks_uri: 'http://issuer.example/x' },
  ]) {
    found = metadata(change);
    const other = keySets();
    other.setProviders([provider({ id: JSON.stringify(change), jwksUri: null })]);
    await other.idle();
    expect([change, stateOf(other)]).toEqual([change, 'empty']);
  }
  expect(metadataUrls('https://a.example/t/1/')).toEqual([
    'https://a.example/t/1/.well-known/openid-configuration',
    'https://a.example/.well-known/oauth-authorization-server/t/1',
  ]);
});

test('metadata by RFC 8414 where there is none of OpenID', async () => {
  const keys = serve('a');
  issuer.answer = (request, response) => {
    if (request.url === '/keys') return keys(request, response);
    if (request.url?.includes('openid')) return status(404)(request, response);
    json({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys` })(request, response);
  };
  const sets = keySets();
  sets.setProviders([provider({ jwksUri: null })]);
  await sets.idle();
  expect(kidsOf(sets)).toEqual(['a']);
});

test('a restart finds the keys on disk, public parts only, and uses them with the issuer away', async () => {
  await held('a');
  const file = join(dir, 'jwks', readdirSync(join(dir, 'jwks'))[0] ?? '');
  expect(statSync(file).mode & 0o077).toBe(0);
  expect(readFileSync(file, 'utf8')).not.toMatch(/"(d|p|q|k)":/);
  issuer.answer = status(500);
  clock.wallMs += 2 * HOUR_MS;
  published = [];
  const again = keySets();
  again.setProviders([provider()]);
  expect(published[0]?.keys.map((key) => key.kid)).toEqual(['a']);
  await again.idle();
  expect(stateOf(again)).toBe('stale');
  await pass(again, 22 * HOUR_MS);
  expect(stateOf(again)).toBe('expired');

  // A clock that jumped back makes no set younger than new, one that jumped ahead none usable.
  clock.wallMs -= 1000 * HOUR_MS;
  const back = keySets();
  back.setProviders([provider()]);
  expect(stateOf(back)).toBe('fresh');
  clock.wallMs += 5000 * HOUR_MS;
  const ahead = keySets();
  ahead.setProviders([provider()]);
  expect(stateOf(ahead)).toBe('expired');

  for (const garbage of [
    '',
    '{',
    '[]',
    '{"format":2}',
    JSON.stringify({ format: 1, provider: 'p', fetched_at_ms: 'x', keys: [jwk('a')] }),
  ]) {
    writeFileSync(file, garbage);
    const ruined = keySets();
    ruined.setProviders([provider()]);
    expect([garbage, stateOf(ruined)]).toEqual([garbage, 'empty']);
  }
});

test('the wall clock may jump while the node runs: ages are measured by another', async () => {
  const sets = await held('a');
  clock.wallMs += 100 * HOUR_MS;
  expect(stateOf(sets)).toBe('fresh');
  clock.wallMs -= 300 * HOUR_MS;
  await pass(sets, 250_000);
  expect([stateOf(sets), issuer.asked.length]).toEqual(['fresh', 2]);
});

test('evict is instant: an evicted key stays out until the issuer has dropped it, an evicted set is fetched anew', async () => {
  const sets = await held('good', 'stolen');
  expect(await runCommand(sets, 'jwks.evict', { issuer: issuer.url, kid: 'stolen' })).toMatchObject({ ok: true });
  expect(lastPublished()?.keys.map((key) => key.kid)).toEqual(['good']);
  await sets.refresh(null);
  expect(kidsOf(sets)).toEqual(['good']);
  await sets.idle();
  const restarted = keySets();
  restarted.setProviders([provider()]);
  await restarted.refresh(null);
  expect([kidsOf(restarted), restarted.status()[0]?.blocked]).toEqual([['good'], ['stolen']]);
  issuer.answer = serve('good');
  await sets.refresh(null);
  issuer.answer = serve('good', 'stolen');
  await sets.refresh(null);
  expect([kidsOf(sets), sets.status()[0]?.blocked]).toEqual([['good', 'stolen'], []]);

  issuer.answer = status(500);
  await runCommand(sets, 'jwks.evict', { issuer: issuer.url });
  expect(lastPublished()?.keys).toEqual([]);
  await sets.idle();
  expect(await runCommand(sets, 'jwks.evict', {})).toMatchObject({ ok: false });
  expect(await runCommand(sets, 'jwks.evict', { issuer: 'https://nobody.example' })).toMatchObject({ ok: false });
  expect(await runCommand(sets, 'jwks.melt', {})).toMatchObject({ ok: false });
  expect(await runCommand(sets, 'jwks.refresh', { issuer: 7 })).toMatchObject({ ok: false });
});

test('a thread that starts without a file tells nothing: workers keep the keys that they have', async () => {
  issuer.answer = status(500);
  const sets = keySets();
  sets.setProviders([provider()]);
  await sets.idle();
  expect([published, sets.published()]).toEqual([[], []]);
});

test('providers that no plan names any more are let go, and their timers with them', async () => {
  const sets = await held('a');
  sets.setProviders([]);
  expect([sets.status(), timers]).toEqual([[], []]);
  await sets.want('p', 'x');
  expect(issuer.asked).toHaveLength(1);
});
