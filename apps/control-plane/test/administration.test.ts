import type {
  AuditEvent,
  IssuedKey,
  IssuedToken,
  Node,
  OAuth2ClientResult,
  Page,
  Problem,
  SecretEntry,
  VerifyReport,
} from '@fluxgate/protocol/admin';
import { parseNodeToken, publicKeyFingerprint } from '@fluxgate/protocol/sync';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createNodeVerifier } from '../src/auth/node-identity.ts';
import { type Plane, startPlane } from './harness.ts';

let plane: Plane;
beforeAll(async () => {
  plane = await startPlane();
}, 60_000);
afterAll(() => plane.close());

const node = (name: string, state: Node['state'], applied: number): Node => ({
  name,
  realm: 'x',
  state,
  version: '1',
  applied,
  durable: applied,
  lag: 0,
  quarantined: [],
  firstSeenAt: '2026-01-01T00:00:00Z',
  lastSeenAt: '2026-01-01T00:00:00Z',
});

test('a secret can be written and listed, never read, and never where the peppers are', async () => {
  const tenant = await plane.newRealm();
  const set = await tenant.put<{ entry: SecretEntry }>('/v1/secrets', {
    path: 'secret/data/oauth2',
    field: 'client_secret',
    value: 'hunter2-value',
  });
  expect(set.body.entry).toMatchObject({ path: 'secret/data/oauth2', field: 'client_secret', version: 1 });
  expect(
    (
      await tenant.put<{ entry: SecretEntry }>('/v1/secrets', {
        path: 'secret/data/oauth2',
        field: 'client_secret',
        value: 'second',
      })
    ).body.entry.version,
  ).toBe(2);
  for (const [path, field] of [
    ['secret/data/api-keys', 'pepper.1'],
    ['secret/data/api-keys', 'current'],
    ['secret/data/../x', 'y'],
    ['other/data/x', 'y'],
    ['secret/data/x', 'a b'],
  ] as const) {
    const refused = await tenant.put<Problem>('/v1/secrets', { path, field, value: 'x' });
    expect([path, refused.status, refused.body.code]).toEqual([path, 422, 'secret_ref_refused']);
  }
  for (const field of ['a', 'b', 'c']) await tenant.put('/v1/secrets', { path: 'secret/data/many', field, value: 'x' });
  const first = (await tenant.get<Page<SecretEntry>>('/v1/secrets?prefix=secret/data/many&limit=2')).body;
  const second = (await tenant.get<Page<SecretEntry>>(`/v1/secrets?prefix=secret/data/many&limit=2&cursor=${first.nextCursor}`))
    .body;
  expect([...first.items, ...second.items].map(({ field }) => field)).toEqual(['a', 'b', 'c']);
  expect(second.nextCursor).toBeNull();
  expect((await tenant.get<Problem>('/v1/secrets?cursor=x')).status).toBe(400);
  const everything = await tenant.get('/v1/audit?limit=200');
  expect(everything.text).not.toContain('hunter2-value');
  expect(everything.text).toContain('secret/secret/data/oauth2#client_secret');
});

test('a node token names the signing key of its realm, and ends when it is revoked', async () => {
  const tenant = await plane.newRealm();
  const { body } = await tenant.post<IssuedToken>('/v1/nodes/tokens', { name: 'eu-1' });
  const parsed = parseNodeToken(body.token ?? '');
  const { signingPublic } = await plane.services.db.prisma.realm.findUniqueOrThrow({ where: { name: tenant.realm } });
  expect(parsed).toMatchObject({ realm: tenant.realm, fingerprint: publicKeyFingerprint(signingPublic) });
  const verify = createNodeVerifier(plane.services.db.prisma, plane.services.tokenDigest, plane.door.nowMs);
  expect(await verify(parsed?.credential ?? '')).toEqual({ realm: tenant.realm, kid: body.view.kid });
  expect(await verify(tenant.token)).toBeNull();
  const asAdmin = await plane.call('GET', '/v1/whoami', undefined, { token: parsed?.credential ?? '' });
  expect(asAdmin.status).toBe(401);
  const revoked = await tenant.delete<{ view: { revokedAt: string | null } }>(`/v1/nodes/tokens/${body.view.kid}`);
  expect(revoked.body.view.revokedAt).not.toBeNull();
  expect(plane.nodes.cutOff).toContain(body.view.kid);
  expect(await verify(parsed?.credential ?? '')).toBeNull();
  expect((await tenant.delete<Problem>('/v1/nodes/tokens/AAAAAAAAAAAA')).body.code).toBe('token_not_found');
  expect((await tenant.get<{ items: unknown[] }>('/v1/nodes/tokens')).body.items).toHaveLength(1);
});

test('the last admin token of a realm cannot be revoked', async () => {
  const tenant = await plane.newRealm();
  const own = tenant.token.split('_')[2] ?? '';
  const refused = await tenant.delete<Problem>(`/v1/tokens/${own}`);
  expect([refused.status, refused.body.code]).toEqual([409, 'last_admin_token']);
  await tenant.post('/v1/tokens', { name: 'second', role: 'admin' });
  expect((await tenant.delete(`/v1/tokens/${own}`)).status).toBe(200);
  expect((await tenant.get('/v1/whoami')).status).toBe(401);
});

test('tokens of one realm are not seen from another', async () => {
  const [one, two] = [await plane.newRealm(), await plane.newRealm()];
  const kid = one.token.split('_')[2];
  expect((await two.delete<Problem>(`/v1/tokens/${kid}`)).body.code).toBe('token_not_found');
  expect((await two.get('/v1/tokens')).text).not.toContain(kid);
});

test('an OAuth2 client is created, changed by the given fields only, and then unchanged', async () => {
  const tenant = await plane.newRealm();
  const put = async (body: object) => (await tenant.put<OAuth2ClientResult>('/v1/oauth2/clients/gx_88291a', body)).body;
  const created = await put({ redirectUris: ['https://app.example.com/callback'], scopes: ['read:inventory', 'write:orders'] });
  expect([created.outcome, created.warnings]).toEqual([
    'created',
    ['no route requires read:inventory yet', 'no route requires write:orders yet'],
  ]);
  expect((await put({ redirectUris: ['https://app.example.com/callback'] })).outcome).toBe('unchanged');
  const updated = await put({ name: 'the app', clientSecretRef: 'vault:secret/data/oauth2#client_secret' });
  expect([updated.outcome, updated.changes.map(({ path }) => path)]).toEqual(['updated', ['clientSecretRef', 'name']]);
  expect(updated.client).toMatchObject({
    redirectUris: ['https://app.example.com/callback'],
    scopes: ['read:inventory', 'write:orders'],
    name: 'the app',
  });
  expect(updated.warnings.join()).toContain('client_secret');
  expect((await tenant.get<{ items: unknown[] }>('/v1/oauth2/clients')).body.items).toHaveLength(1);
  expect((await tenant.put<Problem>('/v1/oauth2/clients/x', { clientSecretRef: 'file:/etc/shadow' })).body.code).toBe(
    'secret_ref_refused',
  );
  expect((await tenant.put<Problem>('/v1/oauth2/clients/x', { issuer: 'nowhere' })).body.code).toBe('invalid_request');
  expect((await tenant.delete('/v1/oauth2/clients/gx_88291a')).status).toBe(200);
  for (const gone of [
    await tenant.get<Problem>('/v1/oauth2/clients/gx_88291a'),
    await tenant.delete<Problem>('/v1/oauth2/clients/gx_88291a'),
  ])
    expect([gone.status, gone.body.code]).toEqual([404, 'client_not_found']);
});

test('redirect URIs are exact: https, or http on loopback, and nothing that can be read in two ways', async () => {
  const tenant = await plane.newRealm();
  const refused = [
    'http://app.example.com/cb',
    'https://*.example.com/cb',
    'https://user@app.example.com/cb',
    'https://app.example.com/cb#x',
    'https://app.example.com/a/../cb',
    'https://app.example.com/%2e%2e/cb',
    'javascript:alert(1)',
    '/relative',
    'https://app.example.com\\@evil.example/cb',
    'http://localhost.evil.example/cb',
    'https://app.example.com/c b',
  ];
  const answer = await tenant.put<Problem>('/v1/oauth2/clients/c', { redirectUris: refused });
  expect([answer.status, answer.body.code]).toEqual([422, 'redirect_uri_invalid']);
  expect(answer.body.errors?.map(({ field }) => field)).toEqual(refused.map((_, index) => `redirectUris.${index}`));
  const fine = ['https://app.example.com/callback?x=1', 'http://127.0.0.1:8400/cb', 'http://[::1]/cb', 'http://localhost/cb'];
  expect((await tenant.put('/v1/oauth2/clients/c', { redirectUris: fine })).status).toBe(200);
});

test('verify passes what it can prove and fails strictly for what it did not try', async () => {
  const tenant = await plane.newRealm();
  await tenant.apply(
    'fluxgate:\n  auth:\n    api_key: { enabled: true }\nupstreams:\n  m: { targets: ["http://127.0.0.1:9000"] }\n---\nroute: /in\nupstream: m\n---\nroute: /open\nupstream: m\nauth: none\n',
  );
  const verify = async (endpoint: string, mode: string) =>
    (await tenant.post<VerifyReport>('/v1/auth/verify', { endpoint, mode })).body;
  const by = (report: VerifyReport, id: string) => report.checks.find((check) => check.id === id)?.status;
  await tenant.post<IssuedKey>('/v1/keys', { name: 'k' });
  const { revision } = await plane.services.db.head(tenant.realm);
  plane.nodes.listed = [node('a', 'converged', revision), node('b', 'offline', 0)];
  const good = await verify('/in', 'standard');
  expect([good.result, good.summary]).toEqual(['pass', { pass: 5, warn: 0, fail: 0, notRun: 5 }]);
  const strict = await verify('/in', 'strict');
  expect([strict.result, by(strict, 'AV-06')]).toEqual(['fail', 'not_run']);
  const open = await verify('/open', 'standard');
  expect([open.result, by(open, 'AV-02')]).toEqual(['fail', 'fail']);
  const told = await verify('/open', 'report');
  expect([told.result, by(told, 'AV-02')]).toEqual(['pass', 'info']);
  expect([(await verify('/nowhere', 'standard')).result, by(await verify('/nowhere', 'standard'), 'AV-01')]).toEqual([
    'fail',
    'fail',
  ]);
  plane.nodes.listed = [node('a', 'behind', revision - 1)];
  expect([by(await verify('/in', 'standard'), 'AV-05'), by(await verify('/in', 'strict'), 'AV-05')]).toEqual(['warn', 'fail']);
  plane.nodes.listed = [];
});

test('nodes and convergence are answered as the hub sees them', async () => {
  const tenant = await plane.newRealm();
  plane.nodes.listed = [node('a', 'converged', 0)];
  const nodes = (await tenant.get<{ revision: number; digest: string; items: Node[] }>('/v1/nodes')).body;
  plane.nodes.listed = [];
  expect([nodes.revision, nodes.digest, nodes.items.length]).toEqual([0, '0'.repeat(64), 1]);
  expect((await tenant.get<{ converged: boolean }>('/v1/revisions/0/convergence?wait=converged&timeout=5s')).body.converged).toBe(
    true,
  );
  expect(plane.nodes.asked.at(-1)?.timeoutMs).toBe(5_000);
  for (const bad of ['7', 'x'])
    expect((await tenant.get<Problem>(`/v1/revisions/${bad}/convergence`)).body.code).toBe('revision_not_found');
});

test('the audit log says who did what from where, before and after, and cannot be changed', async () => {
  const tenant = await plane.newRealm();
  const { body } = await tenant.post<IssuedKey>('/v1/keys', { name: 'k', scopes: ['a'] });
  await tenant.patch('/v1/keys/k', { scopes: ['b'] });
  const audit = async (query: string) => (await tenant.get<Page<AuditEvent>>(`/v1/audit?${query}`)).body;
  const [updated] = (await audit('action=keys.update')).items;
  expect(updated).toMatchObject({
    actor: `admin-of-${tenant.realm}`,
    role: 'admin',
    target: 'key/k',
    outcome: 'ok',
    address: '127.0.0.1',
    revision: 2,
  });
  expect([updated?.before, updated?.after]).toEqual([
    expect.objectContaining({ scopes: ['a'] }),
    expect.objectContaining({ scopes: ['b'] }),
  ]);
  expect((await audit('target=key/k&limit=1')).nextCursor).not.toBeNull();
  expect((await audit('actor=nobody')).items).toEqual([]);
  const secret = body.secret?.slice(-49) ?? 'none';
  const { prisma } = plane.services.db;
  const tables = JSON.stringify(
    [
      await prisma.auditEvent.findMany(),
      await prisma.revision.findMany(),
      await prisma.credential.findMany({ include: { versions: true } }),
    ],
    (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
  );
  expect(tables.includes(secret)).toBe(false);
  await expect(prisma.auditEvent.updateMany({ where: { realm: tenant.realm }, data: { actor: 'nobody' } })).rejects.toThrow();
  await expect(prisma.auditEvent.deleteMany({ where: { realm: tenant.realm } })).rejects.toThrow();
});
