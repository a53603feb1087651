import { request as httpRequest } from 'node:http';
import { formatKey } from '@fluxgate/policy';
import {
  type IssuedKey,
  type IssuedToken,
  type Operation,
  operations,
  type Page,
  type Problem,
  Role,
  type TokenView,
} from '@fluxgate/protocol/admin';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Plane, startPlane, type Tenant } from './harness.ts';

let plane: Plane;
let tenant: Tenant;
beforeAll(async () => {
  plane = await startPlane();
  tenant = await plane.newRealm();
}, 60_000);
afterAll(() => plane.close());

const secret = '0'.repeat(43);
const whoami = (authorization: string | null) =>
  plane.call<Problem>('GET', '/v1/whoami', undefined, { headers: authorization === null ? {} : { authorization } });

test('without a valid admin token nothing is answered but 401, and never why a wrong one is wrong', async () => {
  const other = formatKey('a', tenant.realm, 'AAAAAAAAAAAA', secret);
  const wrongSecret = formatKey('a', tenant.realm, tenant.token.split('_')[2] ?? '', secret);
  const details = new Set<string>();
  for (const text of [other, wrongSecret]) {
    const answer = await whoami(`Bearer ${text}`);
    expect([answer.status, answer.body.code]).toEqual([401, 'unauthenticated']);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    details.add(answer.body.detail);
  }
  expect(details.size).toBe(1);
  for (const text of [
    null,
    '',
    'Basic abc',
    'Bearer',
    `Bearer ${tenant.token}x`,
    `Bearer ${formatKey('k', tenant.realm, 'AAAAAAAAAAAA', secret)}`,
  ]) {
    expect([text, (await whoami(text)).status]).toEqual([text, 401]);
  }
});

test('two Authorization headers are refused, even if both are the same good one', async () => {
  const status = await new Promise((resolve, reject) => {
    const request = httpRequest(`${plane.url}/v1/whoami`, (response) => resolve(response.resume().statusCode));
    request.setHeader('Authorization', [`Bearer ${tenant.token}`, `Bearer ${tenant.token}`]);
    request.on('error', reject).end();
  });
  expect(status).toBe(401);
});

test('a revoked and an expired token end at once', async () => {
  const made = (await tenant.post<IssuedToken>('/v1/tokens', { name: 'ci', role: 'viewer', expiresInMs: 60_000 })).body;
  const bearer = `Bearer ${made.token}`;
  expect((await whoami(bearer)).status).toBe(200);
  await tenant.delete(`/v1/tokens/${made.view.kid}`);
  expect((await whoami(bearer)).body.detail).toContain('revoked');
  const short = (await tenant.post<IssuedToken>('/v1/tokens', { name: 'ci2', role: 'viewer', expiresInMs: 60_000 })).body;
  plane.door.advance(60_001);
  expect((await whoami(`Bearer ${short.token}`)).body.detail).toContain('expired');
});

test('an admin token is stored only as a digest that needs the key-encryption key', async () => {
  const kid = tenant.token.split('_')[2] ?? '';
  const row = await plane.services.db.prisma.accessToken.findUniqueOrThrow({ where: { kid } });
  expect(row.digest.length).toBe(32);
  expect(JSON.stringify(row)).not.toContain(tenant.token.slice(-49, -6));
});

test('a token answers for its own realm only', async () => {
  const own = await plane.call('GET', '/v1/whoami', undefined, {
    token: tenant.token,
    headers: { 'x-fluxgate-realm': tenant.realm },
  });
  expect(own.status).toBe(200);
  const wrong = await plane.call<Problem>('GET', '/v1/whoami', undefined, {
    token: tenant.token,
    headers: { 'x-fluxgate-realm': 'live' },
  });
  expect([wrong.status, wrong.body.code]).toEqual([403, 'wrong_realm']);
});

test('each role may do exactly what the table says', async () => {
  for (const role of Role.options) {
    const caller = await tenant.as(role);
    for (const operation of Object.values(operations) as Operation[]) {
      const path = operation.path.replace(/\{[A-Za-z]+\}/g, 'nothing-there-1');
      const { status, body } = await plane.call<Problem>(
        operation.method,
        path,
        operation.method === 'GET' || operation.method === 'DELETE' ? undefined : { broken: true },
        { token: caller.token },
      );
      const refused = status === 403 && body.code === 'forbidden';
      expect([role, operation.id, refused]).toEqual([role, operation.id, !operation.roles.includes(role)]);
    }
  }
  const { items } = (await tenant.get<Page<{ outcome: string; role: string; action: string }>>('/v1/audit?limit=200')).body;
  expect(
    items.some(({ outcome, role, action }) => outcome === 'forbidden' && role === 'viewer' && action === 'keys.generate'),
  ).toBe(true);
}, 60_000);

test('what is not there is 404, a wrong method 405 with the right ones', async () => {
  const nothing = await plane.call<Problem>('GET', '/v1/nothing', undefined, { token: tenant.token });
  expect([nothing.status, nothing.body.code]).toEqual([404, 'not_found']);
  const wrong = await plane.call<Problem>('PUT', '/v1/keys', {}, { token: tenant.token });
  expect([wrong.status, wrong.body.code, wrong.headers.get('allow')]).toEqual([405, 'method_not_allowed', 'POST, GET']);
  for (const path of ['/v1/keys/', '/V1/keys', '/v1/keys/%zz'])
    expect([400, 404]).toContain((await plane.call('GET', path, undefined, { token: tenant.token })).status);
});

test('a body that is not JSON, not UTF-8, packed or too large is refused as such', async () => {
  const send = (raw: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    plane.call<Problem>('POST', '/v1/keys', undefined, {
      token: tenant.token,
      raw,
      headers: { 'content-type': 'application/json', ...headers },
    });
  const broken = await send('{"name": "hunter2');
  expect([broken.status, broken.body.code]).toEqual([400, 'invalid_request']);
  expect(broken.text).not.toContain('hunter2');
  expect((await send('"text"')).status).toBe(400);
  expect((await send('[]')).body.errors?.[0]?.field).toBe('body');
  const form = await send('name=x', { 'content-type': 'application/x-www-form-urlencoded' });
  expect([form.status, form.body.code]).toEqual([415, 'unsupported_media_type']);
  expect((await send('{}', { 'content-type': 'application/json; charset=latin1' })).status).toBe(415);
  expect((await send('{}', { 'content-encoding': 'gzip' })).status).toBe(415);
  const large = await send(JSON.stringify({ name: 'x'.repeat(300_000) }));
  expect([large.status, large.body.code]).toEqual([413, 'payload_too_large']);
});

test('a body of keys with special names changes nothing but the answer', async () => {
  const raw = '{"name":"proto","labels":{"__proto__":"x","constructor":"y"},"__proto__":{"admin":true}}';
  const answer = await plane.call<Problem>('POST', '/v1/keys', undefined, { token: tenant.token, raw });
  expect(answer.status).toBe(400);
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
});

test('every answer names its request, is not stored by caches and sniffs nothing', async () => {
  const { headers } = await tenant.get('/v1/whoami');
  expect(headers.get('x-request-id')).toMatch(/^req_[0-9A-Za-z]{12}$/);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('x-powered-by')).toBeNull();
});

test('an address that guesses tokens is told 429, while a valid token from it still works', async () => {
  const own = await startPlane();
  const guess = () =>
    own.call<Problem>('GET', '/v1/whoami', undefined, {
      token: formatKey('a', 'live', 'AAAAAAAAAAAA', secret),
      headers: { 'x-forwarded-for': `10.0.0.${Math.trunc(performance.now()) % 250}` },
    });
  const realm = await own.newRealm();
  const statuses: number[] = [];
  for (let index = 0; index < 22; index += 1) statuses.push((await guess()).status);
  expect(statuses.slice(0, 20).every((status) => status === 401)).toBe(true);
  const limited = await guess();
  expect([limited.status, limited.body.code]).toEqual([429, 'rate_limited']);
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await realm.get('/v1/whoami')).status).toBe(200);
  own.door.advance(61_000);
  expect((await guess()).status).toBe(401);
  await own.close();
}, 60_000);

test('the same Idempotency-Key gets the same answer once more, without the secret', async () => {
  const key = { 'idempotency-key': 'job-4711' };
  const first = await tenant.post<IssuedKey>('/v1/keys', { name: 'idem', scopes: ['a'] }, key);
  const again = await tenant.post<IssuedKey>('/v1/keys', { name: 'idem', scopes: ['a'] }, key);
  expect([again.status, again.body.secret, again.body.replayed]).toEqual([201, null, true]);
  expect({ ...again.body, secret: '', replayed: false }).toEqual({ ...first.body, secret: '' });
  const waited = await tenant.post<IssuedKey>('/v1/keys?wait=converged&timeout=1s', { name: 'idem', scopes: ['a'] }, key);
  expect([waited.body.replayed, waited.body.convergence?.converged]).toEqual([true, true]);
  const other = await tenant.post<Problem>('/v1/keys', { name: 'idem', scopes: ['b'] }, key);
  expect([other.status, other.body.code]).toEqual([409, 'idempotency_key_reused']);
  const elsewhere = await tenant.post<Problem>('/v1/keys/idem/rotate', {}, key);
  expect(elsewhere.body.code).toBe('idempotency_key_reused');
  const bad = await tenant.post<Problem>('/v1/keys', { name: 'x' }, { 'idempotency-key': 'with space' });
  expect(bad.body.code).toBe('invalid_request');
  expect(JSON.stringify(await plane.services.db.prisma.idempotentReply.findMany())).not.toContain(first.body.secret?.slice(-49));
});

test('a token that was made once is not made again by a repeated request', async () => {
  const key = { 'idempotency-key': 'token-1' };
  const first = await tenant.post<IssuedToken>('/v1/tokens', { name: 'once', role: 'viewer' }, key);
  const again = await tenant.post<IssuedToken>('/v1/tokens', { name: 'once', role: 'viewer' }, key);
  expect([again.body.token, again.body.replayed, again.body.view.kid]).toEqual([null, true, first.body.view.kid]);
  const { items } = (await tenant.get<{ items: TokenView[] }>('/v1/tokens')).body;
  expect(items.filter(({ name }) => name === 'once')).toHaveLength(1);
});

test('two admins have keys of their own for the same Idempotency-Key', async () => {
  const second = await tenant.as('admin');
  const key = { 'idempotency-key': 'shared-name' };
  await tenant.post('/v1/keys', { name: 'of-first' }, key);
  const answer = await second.post<IssuedKey>('/v1/keys', { name: 'of-second' }, key);
  expect([answer.status, answer.body.replayed]).toEqual([201, false]);
});

test('a refused request does not use up its Idempotency-Key', async () => {
  const key = { 'idempotency-key': 'retry-me' };
  expect((await tenant.post('/v1/keys/none-yet/rotate', {}, key)).status).toBe(404);
  await tenant.post('/v1/keys', { name: 'none-yet' });
  expect((await tenant.post('/v1/keys/none-yet/rotate', {}, key)).status).toBe(201);
});

test('livez, readyz and metrics need no token and hold no secret', async () => {
  expect((await fetch(`${plane.url}/livez`)).status).toBe(200);
  expect((await fetch(`${plane.url}/readyz`)).status).toBe(200);
  const metrics = await (await fetch(`${plane.url}/metrics`)).text();
  expect(metrics).toContain('fluxgate_admin_requests_total{operation="keysGenerate",status="201"}');
  expect(metrics).not.toMatch(/fg[kan]_|of-first/);
});

test('the OpenAPI document is served to everybody', async () => {
  const document = (await (await fetch(`${plane.url}/v1/openapi.json`)).json()) as { openapi: string; info: { version: string } };
  expect([document.openapi, document.info.version]).toEqual(['3.1.0', '0.0.0-test']);
});

test('a control plane that is told to stop takes no new requests', async () => {
  plane.stopping = true;
  const answer = await tenant.get<Problem>('/v1/whoami');
  const ready = await fetch(`${plane.url}/readyz`);
  plane.stopping = false;
  expect([answer.status, answer.body.code, ready.status]).toEqual([503, 'shutting_down', 503]);
});

test('no log line holds a credential, a body or a header', () => {
  const lines = plane.logLines.join('').split('\n');
  expect(lines.length).toBeGreaterThan(100);
  const holds = (pattern: RegExp) => lines.filter((line) => pattern.test(line)).slice(0, 2);
  expect(holds(/fg[kcans]_[a-z0-9]{2,10}_[0-9A-Za-z]{12}_[0-9A-Za-z]{20}/)).toEqual([]);
  expect(holds(/Bearer fg|Bearer AAAA|hunter2|x-forwarded-for/)).toEqual([]);
});
