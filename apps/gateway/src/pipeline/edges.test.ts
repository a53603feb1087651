import type { CorsSpec, EdgeLimits } from '@fluxgate/policy';
import { expect, test } from '@jest/globals';
import type { Answer } from '../seam.ts';
import { forwarded, headerOf, route, seen, testKey, world } from './fakes.ts';

const good = testKey('analytics');
const cors: CorsSpec = {
  origins: ['https://a.test'],
  methods: null,
  headers: null,
  expose: ['ETag'],
  credentials: true,
  maxAgeMs: 60_000,
};
const page = ['Origin', 'https://a.test'] as const;
const asks = (method: string) => ['Access-Control-Request-Method', method] as const;
const request = { set: {}, add: {}, remove: [], stripPrefix: false, rewritePrefix: null, host: 'preserve' };
const limits: EdgeLimits = { address: { rate: { limit: 2, perMs: 60_000 }, burst: 2 }, bodyBytes: null, headBytes: null };
const allowed = (answer: unknown) => headerOf((answer as Answer).headers, 'Access-Control-Allow-Origin');

test('a preflight is answered without a key, for the method it asks about, and never goes upstream', () => {
  const w = world({ keys: [good], routes: [route('/closed', [], { methods: ['PUT'], cors })] });
  const answer = w.ask(null, {
    method: 'OPTIONS',
    headers: [page, asks('PUT'), ['Access-Control-Request-Headers', 'x-key']],
  }) as Answer;
  expect([answer.kind, answer.status, answer.code]).toEqual(['answer', 204, null]);
  expect(allowed(answer)).toBe('https://a.test');
  expect(headerOf(answer.headers, 'Access-Control-Allow-Methods')).toBe('PUT');
  expect(headerOf(answer.headers, 'Access-Control-Allow-Headers')).toBe('x-key');
  expect(w.index.asked).toEqual([]);
});

test('a preflight of a stranger is answered, and allows nothing', () => {
  const w = world({ routes: [route('/closed', [], { cors })] });
  for (const headers of [
    [['Origin', 'https://evil.test'] as const, asks('GET')],
    [page, ['Origin', 'https://evil.test'] as const, asks('GET')],
  ]) {
    const answer = w.ask(null, { method: 'OPTIONS', headers });
    expect([(answer as Answer).status, allowed(answer)]).toEqual([204, undefined]);
  }
});

test('OPTIONS that is no preflight needs what every request needs', () => {
  const w = world({ keys: [good], routes: [route('/closed', [], { cors })] });
  expect(seen(w.ask(null, { method: 'OPTIONS' }))).toBe('401 invalid_api_key');
  expect(seen(w.ask(null, { method: 'OPTIONS', headers: [page] }))).toBe('401 invalid_api_key');
  expect(forwarded(w.ask(good, { method: 'OPTIONS', headers: [page] })).cors).toContain('https://a.test');
});

test('a page can read why it was refused: 401 carries the headers of its route', () => {
  const w = world({ keys: [good], routes: [route('/closed', [], { cors })] });
  const refused = w.ask(null, { headers: [page] });
  expect([seen(refused), allowed(refused)]).toEqual(['401 invalid_api_key', 'https://a.test']);
  expect(headerOf((refused as Answer).headers, 'Vary')).toBe('Origin');
  expect(allowed(w.ask(null, { headers: [['Origin', 'https://evil.test']] }))).toBeUndefined();
});

test('a route without CORS says nothing of it and takes a preflight for any other request', () => {
  const w = world({ keys: [good], routes: [route('/closed'), route('/other', [], { cors })] });
  expect(forwarded(w.ask(good, { headers: [page] })).cors).toEqual([]);
  expect(seen(w.ask(null, { method: 'OPTIONS', headers: [page, asks('GET')] }))).toBe('401 invalid_api_key');
});

test('too many requests of one address are refused before any key is looked at, unknown paths included', () => {
  const w = world({ keys: [good], limits });
  expect(seen(w.ask(good))).toBe('forward');
  expect(seen(w.ask(null, { path: '/nowhere' }))).toBe('404 no_route');
  const asked = w.index.asked.length;
  const refused = w.ask(good) as Answer;
  expect([seen(refused), headerOf(refused.headers, 'Retry-After')]).toEqual(['429 rate_limited', '30']);
  expect(seen(w.ask(null, { path: '/nowhere' }))).toBe('429 rate_limited');
  expect(w.index.asked).toHaveLength(asked);
  expect(seen(w.ask(good, { client: '192.0.2.11' }))).toBe('forward');
});

test('IPv6 is counted by /64, so that a customer cannot move on to his next address', () => {
  const w = world({ keys: [good], limits });
  expect(seen(w.ask(good, { client: '2001:db8:1:2::1' }))).toBe('forward');
  expect(seen(w.ask(good, { client: '2001:db8:1:2:ffff::2' }))).toBe('forward');
  expect(seen(w.ask(good, { client: '2001:db8:1:2::3' }))).toBe('429 rate_limited');
  expect(seen(w.ask(good, { client: '2001:db8:1:3::1' }))).toBe('forward');
});

test('the upstream gets the path behind the prefix, the query as it came, and the prefix that was cut off', () => {
  const w = world({ keys: [good], routes: [route('/api/v2', [], { request: { ...request, stripPrefix: true } })] });
  const decision = forwarded(w.ask(good, { path: '/api/v2/orders/7', query: 'a=%2F' }));
  expect(decision.target).toBe('/orders/7?a=%2F');
  expect(headerOf(decision.set, 'X-Forwarded-Prefix')).toBe('/api/v2');
});

test('headers are set, added and removed as the route says, and identity comes last and whole', () => {
  const change = {
    ...request,
    set: { 'X-Api-Version': '2', 'X-FluxGate-Principal': 'root' },
    add: { 'X-Tag': 'a' },
    remove: ['Cookie'],
  };
  const w = world({ keys: [good], routes: [route('/closed', [], { request: change })] });
  const decision = forwarded(w.ask(good));
  expect(decision.add).toEqual(['X-Api-Version', '2', 'X-Tag', 'a']);
  expect(decision.drop).toEqual(['x-fluxgate-api-key', 'cookie', 'x-api-version']);
  expect(headerOf(decision.set, 'X-FluxGate-Principal')).toBe('analytics');
});

test('a client certificate is told to the upstream in a form that no reader can be led astray by', () => {
  const w = world({ keys: [good] });
  const clientCert = { subject: 'CN=é\r\nX-Admin: 1', san: '', fingerprint: 'ab'.repeat(32) };
  const { set } = forwarded(w.ask(good, { clientCert }));
  expect(headerOf(set, 'X-FluxGate-Client-Cert-Fingerprint')).toBe(clientCert.fingerprint);
  expect(headerOf(set, 'X-FluxGate-Client-Cert-Subject')).toMatch(/^[\x21-\x7e ]+$/);
  expect(headerOf(set, 'X-FluxGate-Client-Cert-San')).toBeUndefined();
});
