import { DEFAULT_API_KEY_SETTINGS, formatKey } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import type { Answer } from '../seam.ts';
import { apiKey, forwarded, headerOf, NOW_MS, route, seen, testKey, world } from './fakes.ts';

const HEADER = 'X-FluxGate-API-Key';
const good = testKey('analytics');

const body = (decision: unknown) => JSON.parse((decision as Answer).body) as Record<string, unknown>;
const reason = (decision: unknown) => headerOf((decision as Answer).headers, 'X-FluxGate-Reason');

test('until a plan is there every request gets 503, and no key is looked at', () => {
  const w = world({ keys: [good], plan: false });
  for (const path of ['/closed', '/open', '/else']) {
    const decision = w.ask(good, { path });
    expect([seen(decision), body(decision)]).toEqual([
      '503 not_ready',
      { error: 'not_ready', trace_id: '0af7651916cd43dd8448eb211c80319c' },
    ]);
  }
  expect(w.index.asked).toEqual([]);
});

test('a valid key passes and tells the upstream who it is, without the key', () => {
  const w = world({ keys: [good] });
  const decision = forwarded(w.ask(good, { query: 'a=1' }));
  expect(decision.set).toEqual([
    'X-FluxGate-Principal',
    'analytics',
    'X-FluxGate-Key-Id',
    good.kid,
    'X-FluxGate-Scopes',
    'read:metrics',
    'X-FluxGate-Owner',
    'team-data',
  ]);
  expect(decision.drop).toContain(HEADER.toLowerCase());
  expect(decision.target).toBe('/closed?a=1');
  expect(JSON.stringify([decision.target, decision.set, decision.responseSet])).not.toContain(good.secret);
});

test('an edited key gets the one plain 401 and the index is not even asked', () => {
  const w = world({ keys: [good] });
  const edits = new Set<string>([
    `${good.text}x`,
    good.text.slice(0, -1),
    good.text.slice(1),
    ` ${good.text}`,
    '',
    good.text.toUpperCase(),
  ]);
  for (let i = 0; i < good.text.length; i++)
    edits.add(good.text.slice(0, i) + (good.text[i] === 'A' ? 'B' : 'A') + good.text.slice(i + 1));
  edits.add(formatKey('k', 'test', good.kid, good.secret));
  for (const kind of ['c', 'a', 'n', 's'] as const) edits.add(formatKey(kind, 'live', good.kid, good.secret));
  for (const text of edits) {
    const decision = w.ask(null, { headers: [[HEADER, text]] });
    expect([text, seen(decision)]).toEqual([text, '401 invalid_api_key']);
    expect(reason(decision)).toBeUndefined();
  }
  expect(w.index.asked).toEqual([]);
});

test('unknown key and wrong secret are told apart by nothing', () => {
  const stranger = testKey('stranger');
  const forged = formatKey('k', 'live', good.kid, testKey('other').secret);
  const w = world({ keys: [good] });
  const answers = [w.ask(stranger), w.ask(null, { headers: [[HEADER, forged]] }), w.ask(null)] as Answer[];
  for (const answer of answers)
    expect([answer.status, answer.body, answer.headers]).toEqual([401, answers[0]?.body, answers[0]?.headers]);
  expect(w.usage.take()).toEqual([]);
});

test('two key headers, or header and query together, are a contradiction and not a key', () => {
  const w = world({ keys: [good], routes: [route('/closed', [apiKey([], 'api_key')])] });
  expect(seen(w.ask(good, { headers: [[HEADER, good.text]] }))).toBe('400 doubled_credential');
  expect(seen(w.ask(good, { headers: [['x-fluxgate-api-key', 'nonsense']] }))).toBe('400 doubled_credential');
  expect(seen(w.ask(good, { query: `api_key=${good.text}` }))).toBe('400 doubled_credential');
  expect(seen(w.ask(null, { query: `api_key=${good.text}&api_key=${good.text}` }))).toBe('400 doubled_credential');
  expect(w.index.asked).toEqual([]);
});

test('a key in the query opens only a route that allows it, and goes no further', () => {
  const w = world({ keys: [good], routes: [route('/closed', [apiKey([], 'api_key')]), route('/header', [apiKey()])] });
  const escaped = `%${good.text.charCodeAt(0).toString(16)}${good.text.slice(1)}`;
  for (const query of [`api_key=${good.text}&a=1`, `a=1&api%5Fkey=${escaped}`]) {
    const decision = forwarded(w.ask(null, { query, headers: [['Referer', `https://a.example/?api_key=${good.text}`]] }));
    expect(decision.target).toBe('/closed?a=1');
    expect(decision.drop).toContain('referer');
    expect(JSON.stringify({ ...decision, route: null, upstream: null })).not.toContain(good.secret);
  }
  expect(seen(w.ask(null, { path: '/header', query: `api_key=${good.text}` }))).toBe('401 invalid_api_key');
  expect(seen(w.ask(null, { query: 'api_key=%zz' }))).toBe('401 invalid_api_key');
  expect(forwarded(w.ask(good, { query: 'a=1' })).drop).not.toContain('referer');
});

test('what became of a key is told only to the one who has it', () => {
  const cases = [
    [testKey('late', { notAfterS: NOW_MS / 1000 }), 'key_expired'],
    [testKey('gone', { state: 2 }), 'key_revoked'],
    [testKey('paused', { state: 3 }), 'key_suspended'],
    [testKey('retired', { state: 1, notAfterS: NOW_MS / 1000 - 1 }), 'key_expired'],
  ] as const;
  for (const [key, code] of cases) {
    const w = world({ keys: [key] });
    const owner = w.ask(key);
    expect([seen(owner), reason(owner), body(owner)['error']]).toEqual([`401 ${code}`, code, 'invalid_api_key']);
    const thief = w.ask(null, { headers: [[HEADER, formatKey('k', 'live', key.kid, good.secret)]] });
    expect([seen(thief), reason(thief), body(thief)['error']]).toEqual(['401 invalid_api_key', undefined, 'invalid_api_key']);
    expect(w.usage.take()).toMatchObject([{ kid: key.kid, allowed: 0, refused: 1 }]);
  }
});

test('a key is good until the very second of its end', () => {
  const key = testKey('edge', { notAfterS: NOW_MS / 1000 + 60 });
  const w = world({ keys: [key] });
  w.clock.nowMs = NOW_MS + 59_999;
  expect(seen(w.ask(key))).toBe('forward');
  w.clock.nowMs = NOW_MS + 60_000;
  expect(seen(w.ask(key))).toBe('401 key_expired');
});

test('a retiring version works and says when it ends', () => {
  const key = testKey('old', { state: 1, notAfterS: NOW_MS / 1000 + 3600 });
  const decision = forwarded(world({ keys: [key] }).ask(key));
  expect(headerOf(decision.responseSet, 'Sunset')).toBe('Sat, 21 Nov 2026 13:00:00 GMT');
  expect(headerOf(decision.responseSet, 'Deprecation')).toMatch(/^@\d+$/);
});

test('outside the networks of the key is 403, also for the empty list', () => {
  const w = world({ keys: [good], grant: { cidrs: ['10.0.0.0/8', '2001:db8::/32'] } });
  expect(seen(w.ask(good, { client: '10.1.2.3' }))).toBe('forward');
  expect(seen(w.ask(good, { client: '2001:db8::1' }))).toBe('forward');
  expect(seen(w.ask(good, { client: '::ffff:10.1.2.3' }))).toBe('forward');
  expect(seen(w.ask(good, { client: '11.0.0.1' }))).toBe('403 address_not_allowed');
  expect(seen(world({ keys: [good], grant: { cidrs: [] } }).ask(good))).toBe('403 address_not_allowed');
});

test('a network of the key that cannot be read lets nobody in', () => {
  const w = world({ keys: [good], grant: { cidrs: ['0.0.0.0/0', '300.1.1.1/8'] } });
  expect(seen(w.ask(good))).toBe('503 validation_unavailable');
});

test('a missing scope is 403 and named', () => {
  const w = world({ keys: [good], routes: [route('/closed', [apiKey(['read:metrics', 'write:metrics'])])] });
  const decision = w.ask(good) as Answer;
  expect(seen(decision)).toBe('403 insufficient_scope');
  expect(body(decision)).toMatchObject({ error: 'insufficient_scope', scope: 'write:metrics' });
  expect(headerOf(decision.headers, 'WWW-Authenticate')).toContain('scope="write:metrics"');
});

test('a key that is confined to routes is 403 on the others', () => {
  const w = world({ keys: [good], grant: { routes: ['/other'] }, routes: [route('/closed'), route('/other')] });
  expect(seen(w.ask(good))).toBe('403 route_not_permitted');
  expect(seen(w.ask(good, { path: '/other' }))).toBe('forward');
});

test('networks of a route are asked before the key, and a VPC endpoint may stand in for an address', () => {
  const ip = { kind: 'ip_allow', cidrs: ['127.0.0.0/8'], vpcEndpoints: ['vpce-0a1b'] } as const;
  const w = world({ keys: [good], routes: [route('/closed', [apiKey(), ip])] });
  expect(seen(w.ask(good, { client: '8.8.8.8' }))).toBe('403 address_not_allowed');
  expect(w.index.asked).toEqual([]);
  expect(seen(w.ask(good, { client: '127.0.0.1' }))).toBe('forward');
  expect(seen(w.ask(good, { client: '8.8.8.8', vpcEndpoint: 'vpce-0a1b' }))).toBe('forward');
  expect(seen(w.ask(good, { client: '8.8.8.8', vpcEndpoint: 'vpce-other' }))).toBe('403 address_not_allowed');
});

test('an open route needs no key, tells nobody who it was, and still forwards no key', () => {
  const w = world({ keys: [good] });
  for (const key of [null, good]) {
    const decision = forwarded(w.ask(key, { path: '/open' }));
    expect([decision.set, decision.principal]).toEqual([[], null]);
    expect(decision.drop).toContain(HEADER.toLowerCase());
  }
});

test('what cannot be checked yet is 503, never a pass', () => {
  const jwt = {
    kind: 'jwt',
    jwt: {
      enabled: true,
      issuer: null,
      audience: [],
      jwksUri: null,
      cacheTtlMs: 1,
      requiredClaims: [],
      requiredScopes: [],
      clockSkewMs: 0,
      algorithms: [],
      claimsToHeaders: {},
      preset: 'standard',
      claimsToScopes: [],
      typ: [],
      maxLifetimeMs: null,
    },
  } as const;
  const w = world({ keys: [good], routes: [route('/jwt', [jwt]), route('/either', [{ kind: 'any_of', of: [jwt, apiKey()] }])] });
  expect(seen(w.ask(good, { path: '/jwt' }))).toBe('503 not_enforceable');
  expect(seen(w.ask(null, { path: '/jwt' }))).toBe('503 not_enforceable');
  expect(seen(w.ask(good, { path: '/either' }))).toBe('forward');
  expect(seen(w.ask(null, { path: '/either' }))).toBe('503 not_enforceable');
  expect(seen(w.ask(good, { path: '/either', headers: [[HEADER, good.text]] }))).toBe('400 doubled_credential');
});

test('an alternative that failed leaves no identity behind for the one that passed', () => {
  const ip = { kind: 'ip_allow', cidrs: ['192.0.2.0/24'], vpcEndpoints: [] } as const;
  const w = world({
    keys: [good],
    grant: { cidrs: ['10.0.0.0/8'] },
    routes: [route('/closed', [{ kind: 'any_of', of: [apiKey(), ip] }, apiKey([], null)])],
  });
  expect(seen(w.ask(good))).toBe('403 address_not_allowed');
  const lenient = world({
    keys: [good],
    grant: { cidrs: ['10.0.0.0/8'] },
    routes: [route('/closed', [{ kind: 'any_of', of: [apiKey(['admin']), apiKey(['read:metrics'])] }])],
  });
  expect(seen(lenient.ask(good))).toBe('403 address_not_allowed');
});

test('a request that asks the upstream to take it for another method passes only where that method has the same route', () => {
  const w = world({
    keys: [good],
    routes: [
      route('/any', [], { auth: 'none' }),
      route('/split', [], { auth: 'none', methods: ['GET', 'POST'] }),
      route('/split', [], { name: 'closed', methods: ['DELETE'] }),
    ],
  });
  const as = (path: string, value: string, name = 'X-HTTP-Method-Override') =>
    seen(w.ask(null, { path, method: 'POST', headers: [[name, value]] }));
  expect([as('/any', 'DELETE'), as('/split', 'GET'), as('/split', 'post')]).toEqual(['forward', 'forward', 'forward']);
  for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override'])
    for (const value of ['DELETE', 'delete', 'PUT'])
      expect([name, value, as('/split', value, name)]).toEqual([name, value, '405 method_not_allowed']);
});

test('no route is 404, no method 405 with what is allowed, no upstream 503 after the key', () => {
  const w = world({
    keys: [good],
    routes: [route('/closed', [], { methods: ['GET', 'HEAD'] }), route('/nowhere', [], { upstream: null })],
  });
  expect(seen(w.ask(good, { path: '/else' }))).toBe('404 no_route');
  const decision = w.ask(good, { method: 'POST' }) as Answer;
  expect(seen(decision)).toBe('405 method_not_allowed');
  expect(headerOf(decision.headers, 'Allow')).toContain('GET');
  expect(seen(w.ask(null, { path: '/nowhere' }))).toBe('401 invalid_api_key');
  expect(seen(w.ask(good, { path: '/nowhere' }))).toBe('503 no_upstream');
});

test('without a pepper, an index or the grant the answer is 503, not 401 and not a pass', () => {
  expect(seen(world({ keys: [good], peppers: false }).ask(good))).toBe('503 validation_unavailable');
  expect(seen(world({ keys: [good], peppers: false, settings: { fallbackAction: 'last_known' } }).ask(good))).toBe(
    '503 validation_unavailable',
  );
  const other = testKey('elsewhere', { pepperVersion: 9 });
  expect(seen(world({ keys: [other] }).ask(other))).toBe('503 validation_unavailable');
  const orphan = testKey('orphan', { grant: 99 });
  expect(seen(world({ keys: [orphan] }).ask(orphan))).toBe('503 validation_unavailable');
});

test('an index whose writer died is let go after one look, and its successor serves again', () => {
  const w = world({ keys: [good] });
  let looks = 0;
  w.pipeline.setIndex({
    size: 0,
    changes: 0,
    find: () => {
      looks++;
      throw new Error('stopped in the middle of a change');
    },
    grant: () => null,
  });
  expect([seen(w.ask(good)), seen(w.ask(good)), looks]).toEqual(['503 validation_unavailable', '503 validation_unavailable', 1]);
  expect(seen(w.ask(null, { path: '/open' }))).toBe('forward');
  w.pipeline.setIndex(w.index);
  expect(seen(w.ask(good))).toBe('forward');
});

test('a state that is too old refuses, unless the last known state is to be believed', () => {
  const strict = world({ keys: [good], staleAfterMs: 60_000 });
  expect(seen(strict.ask(good))).toBe('503 stale_state');
  strict.pipeline.setContact(NOW_MS - 60_000);
  expect(seen(strict.ask(good))).toBe('forward');
  strict.clock.nowMs += 1;
  expect(seen(strict.ask(good))).toBe('503 stale_state');
  expect(seen(strict.ask(null))).toBe('401 invalid_api_key');
  expect(seen(strict.ask(null, { path: '/open' }))).toBe('forward');
  expect(seen(world({ keys: [good], staleAfterMs: 60_000, settings: { fallbackAction: 'last_known' } }).ask(good))).toBe(
    'forward',
  );
});

test('the configured body and status are sent with trace id and reason escaped', () => {
  const key = testKey('gone', { state: 2 });
  const w = world({ keys: [key], settings: { errorResponse: { status: 418, body: '{"e":"{{.Reason}}","t":"{{.TraceID}}"}' } } });
  const owner = w.ask(key) as Answer;
  expect([owner.status, owner.body]).toEqual([418, '{"e":"key_revoked","t":"0af7651916cd43dd8448eb211c80319c"}']);
  expect(body(w.ask(null))).toMatchObject({ e: 'invalid_api_key' });
  expect(headerOf(owner.headers, 'X-FluxGate-Trace-Id')).toBe('0af7651916cd43dd8448eb211c80319c');
  expect(headerOf(owner.headers, 'Cache-Control')).toBe('no-store');
  expect(headerOf(owner.headers, 'WWW-Authenticate')).toContain('ApiKey realm="live"');
  expect(DEFAULT_API_KEY_SETTINGS.errorResponse.status).toBe(401);
});

test('what the wire refuses itself has the same shape', () => {
  const answer = world().pipeline.answerRefusal('upstream_timeout', 'f'.repeat(32), 'no answer in 30 s', null);
  expect([answer.status, body(answer)]).toEqual([504, { error: 'upstream_timeout', trace_id: 'f'.repeat(32) }]);
  expect(headerOf(answer.headers, 'X-FluxGate-Trace-Id')).toBe('f'.repeat(32));
});

test('a header of another name is taken, and the default one is then nothing', () => {
  const w = world({ keys: [good], settings: { headerName: 'X-Api-Token' } });
  expect(seen(w.ask(null, { headers: [['x-api-token', good.text]] }))).toBe('forward');
  expect(seen(w.ask(good))).toBe('401 invalid_api_key');
});

test('a name from the state cannot break out of its header', () => {
  const key = testKey('x', { name: 'a\r\nX-Admin: 1é%' });
  const decision = forwarded(world({ keys: [key] }).ask(key));
  expect(headerOf(decision.set, 'X-FluxGate-Principal')).toBe('a%0D%0AX-Admin%3A 1%C3%A9%25');
});

test('requests that are decided at once share no memory that shows', () => {
  const w = world({ keys: [good] });
  const first = forwarded(w.ask(good));
  w.ask(null);
  w.ask(null, { path: '/open' });
  expect(headerOf(first.set, 'X-FluxGate-Principal')).toBe('analytics');
});
