import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeProtectedHeader } from 'jose';
import { engines, type Plane, startPlane, type Tenant } from './harness.ts';
import { basic, type IssuedClient, makeClient, TokenClient } from './token-client.ts';

describe.each([...engines])('the token endpoint on %s', (engine) => {
  let plane: Plane;
  let admin: Tenant;
  let tokens: TokenClient;
  let client: IssuedClient;
  beforeAll(async () => {
    plane = await startPlane(engine);
    admin = await plane.newRealm();
    tokens = new TokenClient(plane, admin.realm);
    client = await makeClient(admin);
  }, 60_000);
  afterAll(() => plane.close());

  const post = (form: Record<string, string> | string, headers: Record<string, string> = basic(client)) =>
    tokens.post('token', form, headers);
  const grant = { grant_type: 'client_credentials' };

  test('a token is what RFC 9068 says, and verifies with jose against the published key set', async () => {
    const reply = await tokens.token(client);
    expect([reply.status, reply.headers.get('cache-control'), reply.headers.get('pragma')]).toEqual([
      200,
      'no-store',
      'no-cache',
    ]);
    expect(reply.body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 600,
      scope: 'read:orders write:orders',
    });
    const token = String(reply.body['access_token']);
    const nowMs = plane.door.nowMs();
    const { payload, protectedHeader } = await tokens.verify(token, 'orders-api', nowMs);
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) });
    expect(payload).toEqual({
      iss: tokens.issuer,
      sub: client.client.clientId,
      client_id: client.client.clientId,
      aud: 'orders-api',
      scope: 'read:orders write:orders',
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 600,
      jti: expect.stringMatching(/^[A-Za-z0-9_-]{22}$/),
    });
    expect(Math.abs((payload.iat ?? 0) * 1000 - nowMs)).toBeLessThan(5000);
    const again = await tokens.verify(String((await tokens.token(client)).body['access_token']), 'orders-api', nowMs);
    expect(again.payload.jti).not.toBe(payload.jti);
  });

  test('fewer scopes and other audiences can be asked for, by scope, audience and resource', async () => {
    const narrow = await tokens.token(client, { scope: 'read:orders', resource: 'https://orders.example.com/v1' });
    expect(narrow.body['scope']).toBe('read:orders');
    const { payload } = await tokens.verify(
      String(narrow.body['access_token']),
      'https://orders.example.com/v1',
      plane.door.nowMs(),
    );
    expect([payload['scope'], payload.aud]).toEqual(['read:orders', 'https://orders.example.com/v1']);
    const both = await post('grant_type=client_credentials&audience=orders-api&resource=https%3A%2F%2Forders.example.com%2Fv1');
    const two = await tokens.verify(String(both.body['access_token']), 'orders-api', plane.door.nowMs());
    expect(two.payload.aud).toEqual(['https://orders.example.com/v1', 'orders-api']);
  });

  test('a parameter without a value counts as left out, unknown ones are ignored, and names may be escaped', async () => {
    expect((await post('grant_type=client_credentials&scope=&resource=&foo=bar')).status).toBe(200);
    expect((await post('grant%5Ftype=client%5Fcredentials')).status).toBe(200);
  });

  test.each([
    ['a grant it does not have', { grant_type: 'authorization_code', code: 'x' }, 400, 'unsupported_grant_type'],
    ['the password grant', { grant_type: 'password', username: 'u', password: 'x' }, 400, 'unsupported_grant_type'],
    ['no grant', { scope: 'read:orders' }, 400, 'invalid_request'],
    ['a scope the client may not have', { ...grant, scope: 'read:orders admin' }, 400, 'invalid_scope'],
    ['a scope with a quote in it', { ...grant, scope: 'read:orders "' }, 400, 'invalid_scope'],
    ['a scope with two spaces', { ...grant, scope: 'read:orders  write:orders' }, 400, 'invalid_scope'],
    ['a resource the client may not have', { ...grant, resource: 'https://other.example.com' }, 400, 'invalid_target'],
    ['a resource that is no absolute URI', { ...grant, resource: 'orders-api' }, 400, 'invalid_target'],
    ['a resource with a fragment', { ...grant, resource: 'https://orders.example.com/v1#x' }, 400, 'invalid_target'],
    ['an audience the client may not have', { ...grant, audience: 'payments' }, 400, 'invalid_target'],
  ] as const)('%s is refused', async (_what, form, status, error) => {
    const reply = await post(form);
    expect([reply.status, reply.body['error']]).toEqual([status, error]);
    expect(reply.headers.get('cache-control')).toBe('no-store');
    expect(reply.body['error_description']).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
  });

  test('a malformed request is invalid_request whatever is malformed about it', async () => {
    const refused = async (form: string, headers: Record<string, string> = {}) => {
      const reply = await post(form, { ...basic(client), ...headers });
      return [reply.status, reply.body['error']];
    };
    const expected = [400, 'invalid_request'];
    expect(await refused('grant_type=client_credentials&grant_type=client_credentials')).toEqual(expected);
    expect(await refused('grant_type=client_credentials&scope=a&scope=b')).toEqual(expected);
    expect(await refused('grant_type=%ff')).toEqual(expected);
    expect(await refused('grant_type=%zz')).toEqual(expected);
    expect(await refused('{"grant_type":"client_credentials"}', { 'content-type': 'application/json' })).toEqual(expected);
    expect(await refused('grant_type=client_credentials', { 'content-encoding': 'gzip' })).toEqual(expected);
    expect(await refused(Array.from({ length: 99 }, (_, i) => `a${i}=b`).join('&'))).toEqual(expected);
    expect(await refused(`a=${'b'.repeat(60_000)}`)).toEqual([413, 'invalid_request']);
    const inUrl = await fetch(`${tokens.issuer}/oauth2/token?grant_type=client_credentials`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic(client) },
    });
    expect([inUrl.status, await inUrl.json()]).toEqual([400, expect.objectContaining({ error: 'invalid_request' })]);
  });

  test('another method than POST is 405 with Allow, an issuer that is not there is 404', async () => {
    const wrong = await fetch(`${tokens.issuer}/oauth2/token`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await fetch(`${tokens.issuer}/oauth2/jwks`, { method: 'POST' })).status).toBe(405);
    for (const realm of ['nope', 'UPPER', 'waytoolongrealm', '..'])
      expect((await fetch(`${plane.url}/realms/${realm}/oauth2/jwks`)).status).toBe(404);
  });

  describe('client authentication', () => {
    const invalid = { error: 'invalid_client', error_description: 'client authentication failed' };
    const pair = (id: string, with_: string) => ({ authorization: `Basic ${Buffer.from(`${id}:${with_}`).toString('base64')}` });

    test('fails in the same words whatever is wrong, with 401 and a challenge', async () => {
      const other = await makeClient(admin, { name: 'other' });
      const id = client.client.clientId;
      const changed = `${client.secret.slice(0, -8)}${client.secret.at(-8) === 'a' ? 'b' : 'a'}${client.secret.slice(-7)}`;
      const attempts: Record<string, string>[] = [
        {},
        pair(id, changed),
        pair(id, other.secret),
        pair(other.client.clientId, client.secret),
        pair('client_000000000000', client.secret),
        pair(client.client.name, client.secret),
        pair(id, `${client.secret}x`),
        pair(id, ''),
        pair('', client.secret),
        { authorization: 'Basic ???' },
        { authorization: 'Basic' },
        { authorization: `Basic ${Buffer.from('nocolon').toString('base64')}` },
        { authorization: `Bearer ${client.secret}` },
        { authorization: `Basic ${'QUJD'.repeat(2000)}` },
      ];
      for (const headers of attempts) {
        const reply = await post(grant, headers);
        expect([headers, reply.status]).toEqual([headers, reply.status === 429 ? 429 : 401]);
        if (reply.status === 401) expect(reply.body).toEqual(invalid);
        expect(reply.headers.get('www-authenticate')).toBe(
          reply.status === 401 ? 'Basic realm="fluxgate", charset="UTF-8"' : null,
        );
      }
      plane.door.advance(61_000);
    });

    test('takes Basic with form-encoded parts (RFC 6749 §2.3.1) and the same client_id in the body', async () => {
      const escaped = (text: string) => [...text].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('');
      expect((await post(grant, pair(escaped(client.client.clientId), escaped(client.secret)))).status).toBe(200);
      expect((await post({ ...grant, client_id: client.client.clientId })).status).toBe(200);
      expect((await post({ ...grant, client_id: 'client_000000000000' })).body['error']).toBe('invalid_request');
    });

    test('takes only the method that is registered, and only one in a request', async () => {
      const byPost = await makeClient(admin, { name: 'by-post', authMethod: 'client_secret_post' });
      const inBody = { ...grant, client_id: byPost.client.clientId, client_secret: byPost.secret };
      expect((await post(inBody, {})).status).toBe(200);
      expect((await post(grant, basic(byPost))).body).toEqual(invalid);
      const mine = { ...grant, client_id: client.client.clientId, client_secret: client.secret };
      expect((await post(mine, {})).body).toEqual(invalid);
      expect((await post(mine)).body['error']).toBe('invalid_request');
      expect((await post({ ...inBody, client_assertion: 'a.b.c' }, {})).body['error']).toBe('invalid_request');
      plane.door.advance(61_000);
    });

    test('a client that is switched off hears so only after it has proven itself, and works again when it is switched on', async () => {
      const off = await makeClient(admin, { name: 'off' });
      await admin.patch('/v1/clients/off', { enabled: false });
      expect((await tokens.token(off)).body['error']).toBe('unauthorized_client');
      expect((await tokens.token({ ...off, secret: client.secret })).body).toEqual(invalid);
      await admin.patch('/v1/clients/off', { enabled: true });
      expect((await tokens.token(off)).status).toBe(200);
    });

    test('a client of another realm is no client here', async () => {
      const elsewhere = await plane.newRealm();
      expect((await post(grant, basic(await makeClient(elsewhere)))).body).toEqual(invalid);
    });

    test('failures are limited by address, and a client that proves itself is served all the same', async () => {
      plane.door.advance(61_000);
      let last = await post(grant, {});
      for (let i = 0; i < 25; i += 1) last = await post(grant, {});
      expect([last.status, Number(last.headers.get('retry-after')) > 0]).toEqual([429, true]);
      expect((await tokens.token(client)).status).toBe(200);
      plane.door.advance(61_000);
      expect((await post(grant, {})).status).toBe(401);
    });
  });

  test('guesses at one client are limited too, from however many addresses, and hold its owner up in nothing', async () => {
    const guessed = await makeClient(admin, { name: 'guessed' });
    plane.door.advance(61_000);
    const guess = () => post(grant, basic({ ...guessed, secret: client.secret }));
    const byClient: number[] = [];
    const byAddress: number[] = [];
    for (let i = 0; i < 22; i += 1) byClient.push((await guess()).status);
    for (let i = 0; i < 2; i += 1) byAddress.push((await post(grant, {})).status);
    expect([byClient.at(0), byClient.at(-1), byAddress.at(-1)]).toEqual([401, 429, 429]);
    expect((await tokens.token(guessed)).status).toBe(200);
    plane.door.advance(61_000);
  });

  test('two secrets work while one replaces the other, never three, and a grace of zero ends the old one at once', async () => {
    const rotating = await makeClient(admin, { name: 'rotating' });
    const rotated = await admin.post<IssuedClient>('/v1/clients/rotating/rotate-secret', { graceMs: 3_600_000 });
    expect(rotated.status).toBe(201);
    const second = { ...rotating, secret: rotated.body.secret };
    expect((await tokens.token(rotating)).status).toBe(200);
    expect((await tokens.token(second)).status).toBe(200);
    const third = await admin.post<{ code: string }>('/v1/clients/rotating/rotate-secret', {});
    expect([third.status, third.body.code]).toEqual([409, 'client_secrets_live']);
    plane.door.advance(3_600_001);
    expect((await tokens.token(rotating)).body['error']).toBe('invalid_client');
    expect((await tokens.token(second)).status).toBe(200);
    const now = await admin.post<IssuedClient>('/v1/clients/rotating/rotate-secret', { graceMs: 0 });
    expect((await tokens.token(second)).body['error']).toBe('invalid_client');
    expect((await tokens.token({ ...rotating, secret: now.body.secret })).status).toBe(200);
    plane.door.advance(61_000);
  });

  test('a lost answer is asked for again without a second client and without its secret', async () => {
    const headers = { 'idempotency-key': 'job-1' };
    const first = await admin.post<IssuedClient>('/v1/clients', { name: 'once' }, headers);
    const again = await admin.post<Record<string, unknown>>('/v1/clients', { name: 'once' }, headers);
    expect([first.status, again.status, again.body['secret'], again.body['replayed']]).toEqual([201, 201, null, true]);
    expect((await admin.post<{ code: string }>('/v1/clients', { name: 'once' })).body.code).toBe('client_name_taken');
    const dry = await admin.post<Record<string, unknown>>('/v1/clients?dryRun=true', { name: 'rehearsed' });
    expect([dry.status, dry.body['secret']]).toEqual([201, null]);
    expect((await admin.get('/v1/clients/rehearsed')).status).toBe(404);
  });

  test('a client without an audience gets no token', async () => {
    const bare = await makeClient(admin, { name: 'bare', audiences: [] });
    expect((await tokens.token(bare)).body['error']).toBe('invalid_target');
  });

  test('a viewer reads clients and makes none; a rotator rotates their secrets and nothing else', async () => {
    const viewer = await admin.as('viewer');
    expect((await viewer.get('/v1/clients')).status).toBe(200);
    expect((await viewer.post('/v1/clients', { name: 'x' })).status).toBe(403);
    expect((await viewer.post('/v1/issuer/jwks/rotate')).status).toBe(403);
    const rotator = await admin.as('key-rotator');
    expect((await rotator.post('/v1/clients/orders-worker/rotate-secret', {})).status).toBe(201);
    expect((await rotator.delete('/v1/clients/orders-worker')).status).toBe(403);
  });

  test('lists are pages, newest first, found by name; nothing of it holds a secret or a digest', async () => {
    const first = await admin.get<{ items: { name: string }[]; nextCursor: string | null }>('/v1/clients?limit=2');
    const second = await admin.get<{ items: { name: string }[] }>(`/v1/clients?limit=2&cursor=${first.body.nextCursor}`);
    expect(new Set([...first.body.items, ...second.body.items].map(({ name }) => name)).size).toBe(4);
    const found = await admin.get<{ items: object[] }>('/v1/clients?search=orders');
    expect(found.body.items).toHaveLength(1);
    expect(found.text).not.toContain(client.secret);
    expect(found.text).toMatch(/fgc_[a-z0-9]+_[0-9A-Za-z]{12}_…/);
    const audit = await admin.get('/v1/audit?limit=500');
    expect(audit.text).toContain('clients.create');
    expect(audit.text).not.toMatch(/fgc_[a-z0-9]+_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}/);
  });

  test('metadata is found in front of the path and behind it, and names only what is there', async () => {
    const expected = {
      issuer: tokens.issuer,
      token_endpoint: `${tokens.issuer}/oauth2/token`,
      jwks_uri: `${tokens.issuer}/oauth2/jwks`,
      grant_types_supported: ['client_credentials'],
      response_types_supported: [],
      introspection_endpoint: `${tokens.issuer}/oauth2/introspect`,
      revocation_endpoint: `${tokens.issuer}/oauth2/revoke`,
    };
    for (const url of [
      `${plane.url}/.well-known/oauth-authorization-server/realms/${admin.realm}`,
      `${tokens.issuer}/.well-known/openid-configuration`,
      `${tokens.issuer}/.well-known/oauth-authorization-server`,
    ]) {
      const response = await fetch(url);
      expect([url, response.status]).toEqual([url, 200]);
      expect(await response.json()).toMatchObject(expected);
    }
    expect(await (await fetch(`${plane.url}/.well-known/openid-configuration`)).json()).toMatchObject({ error: 'not_found' });
  });

  test('the key set may be kept for its cache life and is asked for again by its tag', async () => {
    const first = await tokens.get('/oauth2/jwks');
    expect(first.headers.get('cache-control')).toBe('public, max-age=300');
    expect(first.headers.get('content-type')).toMatch(/^application\/jwk-set\+json/);
    const tag = first.headers.get('etag') ?? '';
    expect((await tokens.get('/oauth2/jwks', { 'if-none-match': tag })).status).toBe(304);
    const keys = first.body['keys'] as Record<string, unknown>[];
    expect(keys.map((key) => Object.keys(key).sort())).toEqual([['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']]);
    const token = String((await tokens.token(client)).body['access_token'] ?? '');
    if (token !== '') expect(decodeProtectedHeader(token).kid).toBe(keys[0]?.['kid']);
  });
});
