import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type Plane, startPlane, type Tenant } from './harness.ts';
import { basic, type IssuedClient, makeClient, TokenClient } from './token-client.ts';

let plane: Plane;
let admin: Tenant;
let tokens: TokenClient;
let client: IssuedClient;
let api: IssuedClient;
beforeAll(async () => {
  plane = await startPlane();
  admin = await plane.newRealm();
  tokens = new TokenClient(plane, admin.realm);
  client = await makeClient(admin);
  api = await makeClient(admin, { name: 'orders-api', mayIntrospect: true });
}, 60_000);
afterAll(() => plane.close());

const inactive = { active: false };
const fresh = async (of = client): Promise<string> => String((await tokens.token(of)).body['access_token']);
const ask = (token: string, headers: Record<string, string> = basic(api)) => tokens.post('introspect', { token }, headers);

describe('introspection (RFC 7662)', () => {
  test('tells a client with the permission, and an operator, what a token is', async () => {
    const token = await fresh();
    const reply = await ask(token);
    expect([reply.status, reply.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(reply.body).toEqual({
      active: true,
      scope: 'read:orders write:orders',
      client_id: client.client.clientId,
      token_type: 'Bearer',
      exp: expect.any(Number),
      iat: expect.any(Number),
      sub: client.client.clientId,
      aud: 'orders-api',
      iss: tokens.issuer,
      jti: expect.any(String),
    });
    const viewer = await admin.as('viewer');
    expect((await ask(token, { authorization: `Bearer ${viewer.token}` })).body['active']).toBe(true);
    expect((await tokens.post('introspect', { token, token_type_hint: 'refresh_token' }, basic(api))).body['active']).toBe(true);
  });

  test('is never open: no credential, a wrong one, a foreign admin token and a role too small are refused', async () => {
    const token = await fresh();
    expect((await ask(token, {})).status).toBe(401);
    expect((await ask(token, basic({ ...api, secret: client.secret }))).status).toBe(401);
    const foreign = await plane.newRealm();
    const refused = await ask(token, { authorization: `Bearer ${foreign.token}` });
    expect([refused.status, refused.body['error']]).toEqual([401, 'invalid_token']);
    expect(refused.headers.get('www-authenticate')).toContain('Bearer');
    const rotator = await admin.as('key-rotator');
    expect((await ask(token, { authorization: `Bearer ${rotator.token}` })).status).toBe(403);
    expect((await tokens.post('introspect', {}, basic(api))).body['error']).toBe('invalid_request');
  });

  test('says active: false and nothing else for whatever is not a standing token of this issuer', async () => {
    const token = await fresh();
    const [header, payload, signature] = token.split('.') as [string, string, string];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const kid = JSON.parse(Buffer.from(header, 'base64url').toString()).kid as string;
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid }).sign(privateKey);
    const own = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid, jwk: await exportJWK(publicKey) })
      .sign(privateKey);
    const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${payload}.`;
    const elsewhere = await plane.newRealm();
    const foreign = await new TokenClient(plane, elsewhere.realm).token(await makeClient(elsewhere));
    const other = (text: string) => `${text.slice(0, -2)}${text.endsWith('AA') ? 'BB' : 'AA'}`;
    for (const bad of [
      'x',
      'a.b.c',
      forged,
      own,
      none,
      String(foreign.body['access_token']),
      `${header}.${payload}.${other(signature)}`,
      `${token} `,
      `${token}.`,
      client.secret,
      admin.token,
      'y'.repeat(20_000),
    ]) {
      const reply = await ask(bad);
      expect([bad.slice(0, 40), reply.status, reply.body]).toEqual([bad.slice(0, 40), 200, inactive]);
    }
  });

  test('a client without the permission sees its own tokens and no others', async () => {
    const mine = await fresh();
    expect((await ask(mine, basic(client))).body['active']).toBe(true);
    expect((await ask(await fresh(api), basic(client))).body).toEqual(inactive);
  });

  test('a token ends at its time, when its client is switched off, and when that is removed', async () => {
    const short = await makeClient(admin, { name: 'short', tokenTtlMs: 60_000 });
    const token = await fresh(short);
    await admin.patch('/v1/clients/short', { enabled: false });
    expect((await ask(token)).body).toEqual(inactive);
    await admin.patch('/v1/clients/short', { enabled: true });
    expect((await ask(token)).body['active']).toBe(true);
    plane.door.advance(60_001);
    expect((await ask(token)).body).toEqual(inactive);
    const another = await fresh(short);
    await admin.delete('/v1/clients/short');
    expect((await ask(another)).body).toEqual(inactive);
  });
});

describe('revocation (RFC 7009)', () => {
  const revoke = (token: string, headers: Record<string, string> = basic(client)) => tokens.post('revoke', { token }, headers);

  test('ends a token at once and on every replica, which introspection sees; twice is as good as once', async () => {
    const [token, kept] = [await fresh(), await fresh()];
    const first = await revoke(token);
    expect([first.status, first.text]).toEqual([200, '']);
    expect((await revoke(token)).status).toBe(200);
    expect((await ask(token)).body).toEqual(inactive);
    expect((await ask(kept)).body['active']).toBe(true);
    const audit = await admin.get<{ items: { actor: string; role: string }[] }>('/v1/audit?action=tokens.revoke');
    expect(audit.body.items).toEqual([expect.objectContaining({ actor: client.client.clientId, role: 'client' })]);
    expect(audit.text).not.toContain(token);
  });

  test('answers 200 for what is unknown, ended or no token at all', async () => {
    for (const token of ['x', 'a.b.c', client.secret, 'z'.repeat(20_000)]) expect((await revoke(token)).status).toBe(200);
    const token = await fresh();
    plane.door.advance(600_001);
    expect((await revoke(token)).status).toBe(200);
  });

  test('is refused without a client, for the token of another one, and without a token', async () => {
    const token = await fresh();
    expect((await revoke(token, {})).status).toBe(401);
    const foreign = await revoke(token, basic(api));
    expect([foreign.status, foreign.body['error']]).toEqual([400, 'invalid_grant']);
    expect((await ask(token)).body['active']).toBe(true);
    expect((await tokens.post('revoke', {}, basic(client))).body['error']).toBe('invalid_request');
    const viewer = await admin.as('viewer');
    expect((await revoke(token, { authorization: `Bearer ${viewer.token}` })).status).toBe(403);
    expect((await revoke(token, { authorization: `Bearer ${admin.token}` })).status).toBe(200);
    expect((await ask(token)).body).toEqual(inactive);
  });

  test('what was revoked is forgotten only after it has ended', async () => {
    const token = await fresh();
    await revoke(token);
    const rows = () => plane.services.db.prisma.revokedToken.count({ where: { realm: admin.realm } });
    const before = await rows();
    await plane.services.db.tidy(plane.door.nowMs());
    expect(await rows()).toBe(before);
    await plane.services.db.tidy(plane.door.nowMs() + 600_000 + 3_600_001);
    expect(await rows()).toBe(0);
  });
});
