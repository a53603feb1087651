import { generateKeyPairSync, sign } from 'node:crypto';
import {
  compilePlan,
  DEFAULT_API_KEY_SETTINGS,
  EMPTY_SETTINGS,
  type JwtSettings,
  type Middleware,
  type PublicJwk,
  readKeySet,
  type TierSpec,
} from '@fluxgate/policy';
import { beforeEach, expect, test } from '@jest/globals';
import type { Answer, Decision } from '../seam.ts';
import { TokenDesk } from '../tokens/tokenDesk.ts';
import { createPipeline } from './decide.ts';
import {
  ANYONE,
  type Ask,
  apiKey,
  FakeCounters,
  FakeIndex,
  FakeLeases,
  facts,
  forwarded,
  headerOf,
  NOW_MS,
  PEPPER,
  route,
  seen,
  testKey,
} from './fakes.ts';
import { pepperRing } from './hmac.ts';
import { UsageBook } from './usageBook.ts';

const ISSUER = 'https://issuer.example';
const NOW_S = NOW_MS / 1000;
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const next = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwkOf = (keys: typeof pair | typeof other, kid: string) => ({ ...keys.publicKey.export({ format: 'jwk' }), kid });
const keysOf = (...jwks: object[]): readonly PublicJwk[] => readKeySet({ keys: jwks })?.keys ?? [];

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
function mint(claims: object = {}, header: object = {}, key = pair.privateKey): string {
  const head = { alg: 'RS256', kid: 'one', typ: 'at+jwt', ...header };
  const signed = `${encode(head)}.${encode({ iss: ISSUER, aud: 'orders', sub: 'user-1', exp: NOW_S + 300, scope: 'orders:read', ...claims })}`;
  const signature = sign('sha256', Buffer.from(signed), head.alg.startsWith('ES') ? { key, dsaEncoding: 'ieee-p1363' } : key);
  return `${signed}.${signature.toString('base64url')}`;
}

const jwt = (change: Partial<JwtSettings> = {}): Middleware => ({
  kind: 'jwt',
  jwt: {
    enabled: true,
    issuer: ISSUER,
    audience: ['orders'],
    jwksUri: `${ISSUER}/jwks`,
    cacheTtlMs: 300_000,
    requiredClaims: [],
    requiredScopes: [],
    clockSkewMs: 60_000,
    algorithms: ['RS256', 'ES256'],
    claimsToHeaders: {},
    preset: 'standard',
    claimsToScopes: [],
    typ: [],
    maxLifetimeMs: null,
    ...change,
  },
});
const anyOf = (...of: Middleware[]): Middleware => ({ kind: 'any_of', of });
const key = testKey('analytics');

let clock: { nowMs: number; monotonicMs: number };
let asked: string[];
let answerAsk: () => Promise<number | null>;
let desk: TokenDesk;
let counters: FakeCounters;

beforeEach(() => {
  clock = { nowMs: NOW_MS, monotonicMs: 1000 };
  asked = [];
  answerAsk = async () => clock.monotonicMs + 10_000;
});

function gateway(middleware: readonly Middleware[], tiers: readonly TierSpec[] = []) {
  const index = new FakeIndex();
  index.keys.set(key.kid, key);
  index.grants.set(1, JSON.stringify(ANYONE));
  const leases = new FakeLeases();
  counters = new FakeCounters();
  desk = new TokenDesk({
    monotonicMs: () => clock.monotonicMs,
    ask: (provider, kid) => {
      asked.push(`${provider} ${kid}`);
      return answerAsk();
    },
  });
  const pipeline = createPipeline({
    realm: 'live',
    counters,
    leases,
    leaseClient: leases,
    usage: new UsageBook(),
    tokens: desk,
    now: () => clock.nowMs,
    staleAfterMs: null,
    onLoss: () => {},
  });
  pipeline.setIndex(index);
  pipeline.setPeppers(pepperRing([[1, PEPPER]]));
  const plan = compilePlan({
    settings: { ...EMPTY_SETTINGS, apiKey: { ...DEFAULT_API_KEY_SETTINGS, enabled: true } },
    upstreams: [],
    tiers,
    routes: [route('/closed', middleware)],
  });
  pipeline.setPlan(plan);
  desk.setPlan(plan);
  for (const { id } of plan.providers) publish(id, keysOf(jwkOf(pair, 'one'), jwkOf(other, 'ec')));
  const send = (token: string | null, ask: Ask = {}): Decision | Promise<Decision> =>
    pipeline.decide(
      facts({
        ...ask,
        headers: [...(token === null ? [] : [['Authorization', `Bearer ${token}`] as const]), ...(ask.headers ?? [])],
      }),
    );
  return {
    plan,
    send,
    ask: (token: string | null, ask: Ask = {}): Decision => {
      const decision = send(token, ask);
      if (decision instanceof Promise) throw new Error('the decision was made to wait');
      return decision;
    },
  };
}

const publish = (provider: string, keys: readonly PublicJwk[], usableUntilMs = 1e12): void =>
  desk.setKeys({ t: 'keys', provider, keys, usableUntilMs });
const challenges = (decision: Decision): string[] => {
  const { headers } = decision as Answer;
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1] === 'WWW-Authenticate');
};
const reason = (decision: Decision): string | undefined => headerOf((decision as Answer).headers, 'X-FluxGate-Reason');

test('a good token passes; the upstream hears who it is for, and gets the token itself', () => {
  const g = gateway([jwt({ claimsToHeaders: { email: 'X-User-Email', 'realm_access.roles': 'X-Roles' } })]);
  const claims = { sub: 'user 1\r\nX-Admin: 1', email: 'zoë@example.com', realm_access: { roles: ['a', 'b'] } };
  const decision = forwarded(g.ask(mint(claims)));
  expect(decision.set).toEqual([
    'X-User-Email',
    'zo%C3%AB%40example.com',
    'X-Roles',
    'a,b',
    'X-FluxGate-Principal',
    'user 1%0D%0AX-Admin%3A 1',
    'X-FluxGate-Scopes',
    'orders:read',
  ]);
  expect(decision.drop).not.toContain('authorization');
  expect(decision.principal).toBe(claims.sub);
  expect(g.plan.isIdentityHeader('x_user-EMAIL')).toBe(true);
});

test('RFC 6750: nothing shown asks for a token without an error; a bad token says so, and why only to its owner', () => {
  const g = gateway([jwt()]);
  const none = g.ask(null);
  expect([seen(none), challenges(none), reason(none)]).toEqual(['401 missing_token', ['Bearer realm="live"'], undefined]);
  expect(JSON.parse((none as Answer).body)).toEqual({ error: 'missing_token', trace_id: '0af7651916cd43dd8448eb211c80319c' });
  const forged = g.ask(mint({ exp: 1 }).replace(/.$/, (c) => (c === 'A' ? 'Q' : 'A')));
  expect([seen(forged), challenges(forged), reason(forged)]).toEqual([
    '401 invalid_token',
    ['Bearer realm="live", error="invalid_token", error_description="The token is not valid here"'],
    undefined,
  ]);
  const expired = g.ask(mint({ exp: NOW_S - 60 }));
  expect([seen(expired), challenges(expired), reason(expired)]).toEqual([
    '401 invalid_token',
    ['Bearer realm="live", error="invalid_token", error_description="The token has expired"'],
    'token_expired',
  ]);
  expect(g.ask(null, { headers: [['Authorization', 'Basic YTpi']] })).toMatchObject({ code: 'missing_token' });
  expect(g.ask(null, { headers: [['Authorization', 'Bearer a b']] })).toMatchObject({ code: 'invalid_token' });
});

test('two Authorization fields are a contradiction', () => {
  const g = gateway([jwt()]);
  expect(seen(g.ask(mint(), { headers: [['authorization', `Bearer ${mint()}`]] }))).toBe('400 doubled_credential');
});

test('insufficient_scope names the scope that is missing', () => {
  const g = gateway([jwt({ requiredScopes: ['orders:read', 'orders:write'] })]);
  const decision = g.ask(mint());
  expect([seen(decision), challenges(decision)]).toEqual([
    '403 insufficient_scope',
    ['Bearer realm="live", error="insufficient_scope", scope="orders:write"'],
  ]);
  expect(JSON.parse((decision as Answer).body)).toMatchObject({ error: 'insufficient_scope', scope: 'orders:write' });
  expect(seen(g.ask(mint({ scope: 'orders:readwrite orders:write' })))).toBe('403 insufficient_scope');
  expect(seen(g.ask(mint({ scope: 'orders:write orders:read' })))).toBe('forward');
});

test('the algorithm is the one the check believes, and the key must be for it', () => {
  const g = gateway([jwt({ algorithms: ['RS256'] })]);
  expect(seen(g.ask(mint()))).toBe('forward');
  expect(seen(g.ask(mint({}, { alg: 'ES256', kid: 'ec' }, other.privateKey)))).toBe('401 invalid_token');
  expect(seen(g.ask(mint({}, { kid: 'ec' })))).toBe('401 invalid_token');
  for (const alg of ['none', 'HS256', 'rs256', 'PS256', 'RS512'])
    expect([alg, seen(g.ask(mint({}, { alg }).split('.').slice(0, 2).concat('AAAA').join('.')))]).toEqual([
      alg,
      '401 invalid_token',
    ]);
  expect(asked).toEqual([]);
});

test('a token judged good before is judged by its claims every time: it expires in the cache too', () => {
  const g = gateway([jwt()]);
  const token = mint();
  expect(seen(g.ask(token))).toBe('forward');
  clock.nowMs += 359_000;
  expect(seen(g.ask(token))).toBe('forward');
  clock.nowMs += 1000;
  expect([seen(g.ask(token)), reason(g.ask(token))]).toEqual(['401 invalid_token', 'token_expired']);
});

test('what one route verified counts on another only as a signature (oathkeeper#743)', () => {
  const g = gateway([anyOf(jwt({ audience: ['billing'] }), jwt({ requiredScopes: ['orders:admin'] }))]);
  for (let i = 0; i < 2; i += 1) expect(seen(g.ask(mint()))).toBe('403 insufficient_scope');
});

test('when the key set changes, what the old one verified counts no more; when it stays, it does', async () => {
  const g = gateway([jwt()]);
  const provider = g.plan.providers[0]?.id as string;
  const token = mint();
  expect(seen(g.ask(token))).toBe('forward');
  publish(provider, keysOf(jwkOf(next, 'two')));
  answerAsk = async () => Number.POSITIVE_INFINITY;
  expect(seen(await g.send(token))).toBe('401 invalid_token');
  publish(provider, keysOf(jwkOf(pair, 'one')));
  expect(seen(await g.send(token))).toBe('forward');
});

test('a token whose key is new waits for one question and passes; nobody is refused by a rotation', async () => {
  const g = gateway([
    jwt(),
    { kind: 'rate_limit', rate: { limit: 100, perMs: 1000 }, burst: 100, by: 'address', onAuthorityLoss: 'local' },
  ]);
  const provider = g.plan.providers[0]?.id as string;
  answerAsk = async () => {
    publish(provider, keysOf(jwkOf(pair, 'one'), jwkOf(next, 'two')));
    return clock.monotonicMs + 10_000;
  };
  const rotated = mint({}, { kid: 'two' }, next.privateKey);
  const waiting = [g.send(rotated), g.send(mint({ sub: 'b' }, { kid: 'two' }, next.privateKey))];
  expect(seen(g.ask(mint()))).toBe('forward');
  expect((await Promise.all(waiting)).map(seen)).toEqual(['forward', 'forward']);
  expect(seen(g.ask(rotated))).toBe('forward');
  // The limit by address counted each request once, however often it was judged.
  expect(counters.taken.length).toBe(4);
});

test('go-oidc#482: ids out of thin air ask once per cool-down and do not slow other tokens', async () => {
  const g = gateway([jwt()]);
  for (let i = 0; i < 200; i += 1) expect(seen(await g.send(mint({}, { kid: `random-${i}` })))).toBe('401 invalid_token');
  expect(asked).toHaveLength(1);
  expect(seen(g.ask(mint()))).toBe('forward');
  clock.monotonicMs += 10_001;
  for (let i = 0; i < 200; i += 1) await g.send(mint({}, { kid: `random-${i}` }));
  expect(asked).toHaveLength(2);
});

test('without usable keys the answer is 503, never 401 and never a pass', async () => {
  const g = gateway([jwt()]);
  const provider = g.plan.providers[0]?.id as string;
  const token = mint();
  publish(provider, keysOf(jwkOf(pair, 'one')), 5000);
  expect(seen(g.ask(token))).toBe('forward');
  clock.monotonicMs = 5000;
  const refused = await g.send(token);
  expect([seen(refused), headerOf((refused as Answer).headers, 'Retry-After')]).toEqual(['503 keys_unavailable', '1']);
  publish(provider, [], Number.NEGATIVE_INFINITY);
  expect(seen(await g.send(token))).toBe('503 keys_unavailable');
  // Fetched, and every key of it evicted: it vouches for nobody.
  publish(provider, []);
  expect(seen(await g.send(token))).toBe('401 invalid_token');
});

test('a token without kid is believed only if exactly one key could have signed it (kuberpult#300)', async () => {
  const g = gateway([jwt()]);
  const provider = g.plan.providers[0]?.id as string;
  expect(seen(g.ask(mint({}, { kid: undefined })))).toBe('forward');
  publish(provider, keysOf(jwkOf(pair, 'one'), jwkOf(next, 'two')));
  expect(seen(await g.send(mint({}, { kid: undefined })))).toBe('401 invalid_token');
});

test('keys never cross issuers, and the issuer in the token only selects the check', async () => {
  const b = 'https://b.example';
  const g = gateway([anyOf(jwt(), jwt({ issuer: b, jwksUri: `${b}/jwks` }))]);
  const [first, second] = g.plan.providers;
  publish(first?.id as string, keysOf(jwkOf(pair, 'one')));
  publish(second?.id as string, keysOf(jwkOf(next, 'one')));
  expect(seen(g.ask(mint()))).toBe('forward');
  expect(seen(g.ask(mint({ iss: b }, {}, next.privateKey)))).toBe('forward');
  expect(seen(g.ask(mint({ iss: b })))).toBe('401 invalid_token');
  expect(seen(g.ask(mint({}, {}, next.privateKey)))).toBe('401 invalid_token');
  expect(seen(g.ask(mint({ iss: 'https://c.example' })))).toBe('401 invalid_token');
  expect(asked).toEqual([]);
});

test('key or token: either passes; if both are shown, both must be good', async () => {
  const g = gateway([anyOf(apiKey(), jwt())]);
  const withKey = (text: string): Ask => ({ headers: [['X-FluxGate-API-Key', text]] });
  expect(seen(g.ask(null, withKey(key.text)))).toBe('forward');
  expect(seen(g.ask(mint()))).toBe('forward');
  expect(seen(g.ask(null))).toBe('401 invalid_api_key');
  expect(challenges(g.ask(null))).toEqual(['Bearer realm="live"', 'ApiKey realm="live", header="X-FluxGate-API-Key"']);
  expect(seen(g.ask(mint({ exp: 1 })))).toBe('401 invalid_token');

  const both = forwarded(g.ask(mint(), withKey(key.text)));
  expect(both.set.slice(0, 2)).toEqual(['X-FluxGate-Principal', 'analytics']);
  expect(seen(g.ask(mint({ exp: 1 }), withKey(key.text)))).toBe('401 invalid_token');
  expect(seen(g.ask('not.a.token', withKey(key.text)))).toBe('401 invalid_token');
  expect(seen(g.ask(mint(), withKey('fgk_live_nonsense')))).toBe('401 invalid_api_key');
  publish(g.plan.providers[0]?.id as string, [], Number.NEGATIVE_INFINITY);
  expect(seen(await g.send(mint(), withKey(key.text)))).toBe('503 keys_unavailable');
});

test('a good credential that may do less than the other is no contradiction, but a forged one never hides behind it', () => {
  const g = gateway([anyOf(apiKey(['read:nothing']), apiKey(['read:metrics']), jwt({ requiredScopes: ['orders:admin'] }))]);
  const ask: Ask = { headers: [['X-FluxGate-API-Key', key.text]] };
  expect(seen(g.ask(mint(), ask))).toBe('forward');
  expect(seen(g.ask(mint({ exp: 1 }), ask))).toBe('401 invalid_token');
});

test('rates and tiers count a token by its issuer and subject', () => {
  const tiers: TierSpec[] = [{ name: 'readers', scope: 'orders:read', rate: { limit: 2, perMs: 60_000 } }];
  const g = gateway([jwt()], tiers);
  expect([1, 2, 3].map((i) => seen(g.ask(mint({ jti: i }))))).toEqual(['forward', 'forward', '429 rate_limited']);
  expect(seen(g.ask(mint({ sub: 'user-2' })))).toBe('forward');
  expect(new Set(counters.taken.map((one) => one.subject))).toEqual(new Set([`t:${ISSUER} user-1`, `t:${ISSUER} user-2`]));
  expect(forwarded(g.ask(mint({ sub: undefined }))).set).toEqual(['X-FluxGate-Scopes', 'orders:read']);
});
