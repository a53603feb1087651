import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose';
import { type Plane, startPlane, type Tenant } from './harness.ts';
import { makeClient, TokenClient } from './token-client.ts';

/** What jose signs with. */
type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const grant = { grant_type: 'client_credentials', client_assertion_type: TYPE };
let plane: Plane;
let admin: Tenant;
let tokens: TokenClient;
let serial = 0;
beforeAll(async () => {
  plane = await startPlane();
  admin = await plane.newRealm();
  tokens = new TokenClient(plane, admin.realm);
}, 60_000);
afterAll(() => plane.close());

async function keyPair(alg: string, kid: string): Promise<{ privateKey: Key; jwk: Record<string, unknown> }> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
}
async function clientWith(keys: Record<string, unknown>): Promise<string> {
  serial += 1;
  const issued = await makeClient(admin, { name: `signer-${serial}`, authMethod: 'private_key_jwt', ...keys });
  return issued.client.clientId;
}
interface Shape {
  readonly claims?: Record<string, unknown>;
  readonly header?: Partial<JWTHeaderParameters>;
}
function assertion(clientId: string, key: Key, kid: string | null, { claims = {}, header = {} }: Shape = {}): Promise<string> {
  const nowS = Math.floor(plane.door.nowMs() / 1000);
  serial += 1;
  const payload = {
    iss: clientId,
    sub: clientId,
    aud: tokens.issuer,
    iat: nowS,
    exp: nowS + 60,
    jti: `jti-${serial}`,
    ...claims,
  };
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'ES256', ...(kid === null ? {} : { kid }), ...header })
    .sign(key);
}
const present = (text: string, more: Record<string, string> = {}) =>
  tokens.post('token', { ...grant, client_assertion: text, ...more });

describe('private_key_jwt with registered keys', () => {
  let id: string;
  let key: Key;
  beforeAll(async () => {
    const pair = await keyPair('ES256', 'k1');
    key = pair.privateKey;
    id = await clientWith({ jwks: { keys: [pair.jwk] } });
  });

  test('an assertion is good for one request, at the issuer or its token endpoint as its one audience', async () => {
    expect((await present(await assertion(id, key, 'k1'))).status).toBe(200);
    expect((await present(await assertion(id, key, 'k1', { claims: { aud: `${tokens.issuer}/oauth2/token` } }))).status).toBe(
      200,
    );
    expect((await present(await assertion(id, key, 'k1', { claims: { aud: [tokens.issuer] } }))).status).toBe(200);
    expect((await present(await assertion(id, key, null), { client_id: id })).status).toBe(200);
    expect((await present(await assertion(id, key, 'k1', { header: { typ: 'client-authentication+jwt' } }))).status).toBe(200);
  });

  test('used again it is refused, also when both come at the same moment', async () => {
    const text = await assertion(id, key, 'k1');
    const both = await Promise.all([present(text), present(text), present(text)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    expect((await present(text)).body['error']).toBe('invalid_client');
  });

  const now = () => Math.floor(plane.door.nowMs() / 1000);
  test.each<[string, () => Shape]>([
    ['another audience', () => ({ claims: { aud: 'https://elsewhere.example' } })],
    ['two audiences, one of them right', () => ({ claims: { aud: [tokens.issuer, 'https://elsewhere.example'] } })],
    ['the audience of another realm', () => ({ claims: { aud: `${plane.url}` } })],
    ['no audience', () => ({ claims: { aud: undefined } })],
    ['no end', () => ({ claims: { exp: undefined } })],
    ['an end that has passed', () => ({ claims: { exp: now() - 31 } })],
    ['a life of more than five minutes', () => ({ claims: { exp: now() + 400 } })],
    ['a beginning in the future', () => ({ claims: { nbf: now() + 100 } })],
    ['made in the future', () => ({ claims: { iat: now() + 100 } })],
    ['no jti', () => ({ claims: { jti: undefined } })],
    ['a jti without end', () => ({ claims: { jti: 'j'.repeat(300) } })],
    ['another subject', () => ({ claims: { sub: 'client_000000000000' } })],
    ['another issuer', () => ({ claims: { iss: 'someone' } })],
    ['the type of an access token', () => ({ header: { typ: 'at+jwt' } })],
    ['a key id nobody has', () => ({ header: { kid: 'k9' } })],
  ])('%s is refused', async (_what, shape) => {
    const reply = await present(await assertion(id, key, 'k1', shape()));
    expect([reply.status, reply.body]).toEqual([
      401,
      { error: 'invalid_client', error_description: 'client authentication failed' },
    ]);
    plane.door.advance(4_000);
  });

  test('a signature by another key, a secret as key, and a key that the token brings along are refused', async () => {
    plane.door.advance(61_000);
    const stranger = await keyPair('ES256', 'k1');
    expect((await present(await assertion(id, stranger.privateKey, 'k1'))).status).toBe(401);
    expect((await present(await assertion(id, stranger.privateKey, 'k1', { header: { jwk: stranger.jwk } }))).status).toBe(401);
    const hmac = await new SignJWT({ iss: id, sub: id, aud: tokens.issuer, exp: now() + 60, jti: 'h' })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .sign(Buffer.alloc(32, 1));
    expect((await present(hmac)).status).toBe(401);
    for (const text of ['', 'x', 'a.b', 'a.b.c', 'x'.repeat(30_000)]) expect([400, 401]).toContain((await present(text)).status);
  });

  test('an assertion without its type, or with another one, is a malformed request', async () => {
    const text = await assertion(id, key, 'k1');
    const only = { grant_type: 'client_credentials', client_assertion: text };
    expect((await tokens.post('token', only)).body['error']).toBe('invalid_request');
    const saml = { ...only, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' };
    expect((await tokens.post('token', saml)).body['error']).toBe('invalid_request');
    expect((await present(await assertion(id, key, 'k1'), { client_id: 'client_000000000000' })).body['error']).toBe(
      'invalid_client',
    );
  });
});

test.each(['ES384', 'ES512', 'RS256', 'PS256', 'EdDSA'])('%s is taken, with one key and no key id', async (alg) => {
  plane.door.advance(61_000);
  const { privateKey, jwk } = await keyPair(alg, 'any');
  const { kid: _, ...bare } = jwk;
  const id = await clientWith({ jwks: { keys: [bare] } });
  expect((await present(await assertion(id, privateKey, null, { header: { alg } }))).status).toBe(200);
});

test('keys are judged when they are registered: private, weak, symmetric and nameless ones are refused', async () => {
  const { jwk } = await keyPair('ES256', 'k');
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const secretJwk = await exportJWK(privateKey);
  const attempts: Record<string, unknown>[] = [
    { jwks: { keys: [secretJwk] } },
    { jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } },
    { jwks: { keys: [{ ...jwk, use: 'enc' }] } },
    { jwks: { keys: [jwk, { ...jwk, kid: undefined }] } },
    { jwks: { keys: [jwk, jwk] } },
    { jwks: { keys: [jwk] }, jwksUri: 'https://ci.example.com/jwks' },
    {},
    { jwksUri: 'http://ci.example.com/jwks' },
    { jwksUri: 'https://user:pw@ci.example.com/jwks' },
    { jwksUri: 'file:///etc/passwd' },
  ];
  for (const [index, attempt] of attempts.entries()) {
    const body = { name: `judged-${index}`, authMethod: 'private_key_jwt', ...attempt };
    const reply = await admin.post<{ code: string }>('/v1/clients', body);
    expect([index, reply.status, reply.body.code]).toEqual([index, 422, 'client_keys_invalid']);
    expect(reply.text).not.toContain(String(secretJwk.d));
  }
  const basic = await admin.post<{ code: string }>('/v1/clients', { name: 'mixed', jwks: { keys: [jwk] } });
  expect(basic.body.code).toBe('client_keys_invalid');
  const id = await clientWith({ jwks: { keys: [{ ...jwk, x5c: ['MII'], ext: true }] } });
  const shown = await admin.get<{ jwks: { keys: object[] } }>(`/v1/clients/${id}`);
  expect(Object.keys(shown.body.jwks.keys[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  const rotated = await admin.post<{ code: string }>(`/v1/clients/${id}/rotate-secret`, {});
  expect([rotated.status, rotated.body.code]).toEqual([409, 'client_has_no_secret']);
});

describe('keys that the client publishes', () => {
  let server: Server;
  let asked = 0;
  let answer: { status?: number; body: string; headers?: Record<string, string> };
  let url: string;
  beforeAll(async () => {
    server = createServer((_request, response) => {
      asked += 1;
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers });
      response.end(answer.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  const publish = (...keys: object[]) => {
    answer = { body: JSON.stringify({ keys }) };
  };

  test('are fetched once for many requests, again for a new key id, and at most twice a minute for unknown ones', async () => {
    plane.door.advance(61_000);
    const [one, two] = [await keyPair('ES256', 'one'), await keyPair('ES256', 'two')];
    publish(one.jwk);
    const id = await clientWith({ jwksUri: url });
    asked = 0;
    const all = await Promise.all(Array.from({ length: 8 }, async () => present(await assertion(id, one.privateKey, 'one'))));
    expect([all.every(({ status }) => status === 200), asked]).toEqual([true, 1]);
    publish(one.jwk, two.jwk);
    plane.door.advance(31_000);
    expect((await present(await assertion(id, two.privateKey, 'two'))).status).toBe(200);
    expect(asked).toBe(2);
    for (let i = 0; i < 10; i += 1) await present(await assertion(id, two.privateKey, `random-${i}`));
    expect(asked).toBe(2);
    plane.door.advance(61_000);
  });

  test('an endpoint that is away is an outage for a client whose keys are not known, and nothing for one whose are', async () => {
    const { privateKey, jwk } = await keyPair('ES256', 'k');
    publish(jwk);
    const known = await clientWith({ jwksUri: `${url}?known` });
    expect((await present(await assertion(known, privateKey, 'k'))).status).toBe(200);
    for (const bad of [
      { status: 500, body: 'no' },
      { body: '<html>log in</html>' },
      { body: '{"keys":[]}' },
      { body: `{"keys":[],"pad":"${'x'.repeat(70_000)}"}` },
      { status: 302, body: '', headers: { location: 'http://169.254.169.254/latest/meta-data' } },
      { body: 'x', headers: { 'content-encoding': 'gzip' } },
    ]) {
      answer = bad;
      serial += 1;
      const unknown = await clientWith({ jwksUri: `${url}?${serial}` });
      const reply = await present(await assertion(unknown, privateKey, 'k'));
      expect([bad.body.slice(0, 20), reply.status, reply.body['error']]).toEqual([
        bad.body.slice(0, 20),
        503,
        'temporarily_unavailable',
      ]);
      plane.door.advance(301_000);
      expect((await present(await assertion(known, privateKey, 'k'))).status).toBe(200);
    }
    plane.door.advance(3_600_000);
    expect((await present(await assertion(known, privateKey, 'k'))).status).toBe(503);
    publish(jwk);
    plane.door.advance(31_000);
    expect((await present(await assertion(known, privateKey, 'k'))).status).toBe(200);
  });
});
