import { formatKey } from '@fluxgate/policy';
import {
  commonProblems,
  type IssuedKey,
  type IssuedToken,
  operationProblems,
  operations,
  type Problem,
  type RotatedKey,
} from '@fluxgate/protocol/admin';
import { Secret } from '@fluxgate/stores/secrets';
import { SignerUnavailable } from '@fluxgate/stores/signing';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Plane, startPlane, type Tenant } from './harness.ts';

let plane: Plane;
let tenant: Tenant;
beforeAll(async () => {
  plane = await startPlane();
  tenant = await plane.newRealm();
}, 60_000);
afterAll(() => plane.close());

// `Plane.call` compares each answer with the document; these tests make sure that nothing is left out.

test('every operation gives an answer of its own kind that the document allows', async () => {
  await tenant.get('/v1/whoami');
  await tenant.apply(
    'fluxgate:\n  auth:\n    api_key: { enabled: true }\nupstreams:\n  m: { targets: ["http://127.0.0.1:9000"] }\n---\nroute: /in\nupstream: m\n',
  );
  await tenant.get('/v1/config/export');
  await tenant.get('/v1/routes');
  await tenant.get('/v1/routes/%2Fin');
  await tenant.post('/v1/routes/test', { method: 'GET', url: '/in' });
  await tenant.post('/v1/auth/verify', { endpoint: '/in', mode: 'strict' });
  await tenant.post('/v1/keys?wait=converged&timeout=1s', {
    name: 'k',
    scopes: ['a'],
    routes: ['/in'],
    cidrs: ['10.0.0.0/8'],
    quota: { limit: 1, window: 'month', zone: 'Europe/Berlin' },
    requestBudget: 9,
    rotation: { everyMs: 86_400_000, graceMs: 60_000, deliver: null },
  });
  await tenant.get('/v1/keys?limit=1');
  await tenant.get('/v1/keys/k');
  await tenant.patch('/v1/keys/k', { scopes: ['b'] });
  await tenant.post('/v1/keys/k/renew');
  const first = (await tenant.post<RotatedKey>('/v1/keys/k/rotate')).body.rotation.id;
  await tenant.get('/v1/keys/k/usage');
  await tenant.get('/v1/rotations?key=k&state=retiring');
  await tenant.get(`/v1/rotations/${first}`);
  await tenant.post(`/v1/rotations/${first}/abort`);
  const second = (await tenant.post<RotatedKey>('/v1/keys/k/rotate')).body.rotation.id;
  await tenant.post(`/v1/rotations/${second}/finish`, { force: true });
  await tenant.post('/v1/keys/k/revoke', { reason: 'done' });
  await tenant.put('/v1/secrets', { path: 'secret/data/x', field: 'y', value: 'z' });
  await tenant.get('/v1/secrets');
  await tenant.get('/v1/secrets/status');
  await tenant.post('/v1/secrets/rotate-pepper', {});
  await tenant.get('/v1/nodes');
  const node = (await tenant.post<IssuedToken>('/v1/nodes/tokens', { name: 'n' })).body.view.kid;
  await tenant.get('/v1/nodes/tokens');
  await tenant.delete(`/v1/nodes/tokens/${node}`);
  const admin = (await tenant.post<IssuedToken>('/v1/tokens', { name: 'n', role: 'viewer' })).body.view.kid;
  await tenant.get('/v1/tokens');
  await tenant.delete(`/v1/tokens/${admin}`);
  await tenant.put('/v1/oauth2/clients/c', { scopes: ['a'] });
  await tenant.get('/v1/oauth2/clients');
  await tenant.get('/v1/oauth2/clients/c');
  await tenant.delete('/v1/oauth2/clients/c');
  await tenant.post('/v1/clients', { name: 'c' });
  await tenant.get('/v1/clients');
  await tenant.get('/v1/clients/c');
  await tenant.patch('/v1/clients/c', { scopes: ['a'] });
  await tenant.post('/v1/clients/c/rotate-secret', {});
  await tenant.delete('/v1/clients/c');
  await tenant.get('/v1/issuer/jwks');
  await tenant.post('/v1/issuer/jwks/rotate');
  plane.nodes.commanded = () => ({ n: { ok: true, body: { sets: [] } } });
  await tenant.get('/v1/jwks');
  await tenant.post('/v1/jwks/refresh', {});
  await tenant.post('/v1/jwks/evict', { issuer: 'https://i.example' });
  await tenant.get('/v1/revisions');
  await tenant.get('/v1/revisions/head/convergence');
  await tenant.get('/v1/audit');
  const unanswered = Object.values(operations).filter(({ id, status }) => plane.seen.get(id)?.has(String(status)) !== true);
  expect(unanswered.map(({ id }) => id)).toEqual([]);
});

test('every problem code can be met, with its own status', async () => {
  const met = new Map<string, number>();
  const meet = async (answer: Promise<{ status: number; body: unknown }>) => {
    const { status, body } = await answer;
    met.set((body as Problem).code, status);
  };
  const viewer = await tenant.as('viewer');
  await tenant.post<IssuedKey>('/v1/keys', { name: 'live' });
  await tenant.post<IssuedKey>('/v1/keys', { name: 'dead' });
  await tenant.post('/v1/keys/dead/revoke');
  const { rotation } = (await tenant.post<RotatedKey>('/v1/keys/live/rotate')).body;
  await meet(tenant.post('/v1/keys', { name: 'live' }));
  await meet(tenant.post('/v1/keys', { name: 'x', expiresInMs: 1e12 }));
  await meet(tenant.post('/v1/keys', { nothing: 1 }));
  await meet(tenant.get('/v1/keys/missing'));
  await meet(tenant.post('/v1/keys/dead/rotate'));
  await meet(tenant.post('/v1/keys/live/rotate'));
  await meet(tenant.post('/v1/keys/live/rotate', { deliver: 'env:PATH' }));
  await meet(tenant.get('/v1/rotations/missing'));
  await plane.services.db.prisma.keyVersion.update({
    where: { kid: rotation.fromKid },
    data: { lastUsedAt: new Date(plane.door.nowMs()) },
  });
  await meet(tenant.post(`/v1/rotations/${rotation.id}/finish`));
  await tenant.post(`/v1/rotations/${rotation.id}/abort`);
  await meet(tenant.post(`/v1/rotations/${rotation.id}/abort`));
  await meet(tenant.delete('/v1/tokens/AAAAAAAAAAAA'));
  await meet(tenant.apply('route: 5\nnonsense: x\n'));
  await meet(tenant.get('/v1/routes/missing'));
  await meet(tenant.put('/v1/oauth2/clients/c', { redirectUris: ['ftp://x'] }));
  await meet(tenant.get('/v1/oauth2/clients/missing'));
  await meet(tenant.get('/v1/revisions/999999/convergence'));
  await tenant.post('/v1/clients', { name: 'c' });
  await meet(tenant.post('/v1/clients', { name: 'c' }));
  await meet(tenant.post('/v1/clients', { name: 'j', authMethod: 'private_key_jwt' }));
  await tenant.post('/v1/clients/c/rotate-secret', {});
  await meet(tenant.post('/v1/clients/c/rotate-secret', {}));
  await tenant.post('/v1/clients', { name: 'j', authMethod: 'private_key_jwt', jwksUri: 'https://ci.example.com/jwks' });
  await meet(tenant.post('/v1/clients/j/rotate-secret', {}));
  await meet(viewer.post('/v1/keys', { name: 'x' }));
  await meet(plane.call('GET', '/v1/whoami', undefined, { token: tenant.token, headers: { 'x-fluxgate-realm': 'other' } }));
  await meet(plane.call('GET', '/v1/nothing', undefined, { token: tenant.token }));
  await meet(plane.call('PATCH', '/v1/keys', {}, { token: tenant.token }));
  await meet(
    plane.call('POST', '/v1/keys', undefined, { token: tenant.token, raw: 'x', headers: { 'content-type': 'text/plain' } }),
  );
  await meet(plane.call('POST', '/v1/keys', { name: 'x'.repeat(400_000) }, { token: tenant.token }));
  await tenant.post('/v1/keys', { name: 'once' }, { 'idempotency-key': 'one' });
  await meet(tenant.post('/v1/keys', { name: 'twice' }, { 'idempotency-key': 'one' }));
  const alone = await plane.newRealm();
  await meet(alone.delete(`/v1/tokens/${alone.token.split('_')[2]}`));

  // A ring that names a pepper which is not there; an entry that does not open.
  const broken = await plane.newRealm();
  await plane.services.secretsOf(broken.realm).set('secret/data/api-keys', 'current', Secret.fromText('9'), 'test');
  await meet(broken.post('/v1/keys', { name: 'x' }));
  const store = plane.services.secretsOf(alone.realm) as { set: unknown };
  const { set } = store;
  store.set = () => Promise.reject(new Error('sealed'));
  await alone.post('/v1/keys', { name: 'd' });
  await meet(alone.post('/v1/keys/d/rotate', { deliver: 'vault:secret/data/x#y' }));
  store.set = set;

  const signer = plane.services.issuer.signerFor(alone.realm);
  Object.assign(signer, { generate: () => Promise.reject(new SignerUnavailable('sealed')) });
  plane.nodes.commanded = () => ({});
  await meet(tenant.post('/v1/jwks/refresh', {}));
  await meet(alone.get('/v1/issuer/jwks'));

  // Another request took the key and was undone, between our look and our write.
  const db = plane.services.db as { prisma: unknown };
  const { prisma } = plane.services.db;
  db.prisma = new Proxy(prisma, {
    get: (target, name) => (name === 'idempotentReply' ? { findUnique: async () => null } : Reflect.get(target, name)),
  });
  await meet(tenant.post('/v1/keys', { name: 'once' }, { 'idempotency-key': 'one' }));
  db.prisma = prisma;

  const { list } = plane.nodes;
  plane.nodes.list = () => Promise.reject(new Error('a fault of ours, with fgk_live_AAAAAAAAAAAA_'.concat('x'.repeat(49))));
  const fault = tenant.get<Problem>('/v1/nodes');
  await meet(fault);
  expect((await fault).text).not.toContain('a fault of ours');
  plane.nodes.list = list;

  plane.stopping = true;
  await meet(tenant.get('/v1/whoami'));
  plane.stopping = false;
  await meet(plane.call('GET', '/v1/whoami', undefined, {}));
  const guess = { token: formatKey('a', tenant.realm, 'AAAAAAAAAAAA', '0'.repeat(43)) };
  for (let index = 0; index < 20; index += 1) await plane.call('GET', '/v1/whoami', undefined, guess);
  await meet(plane.call('GET', '/v1/whoami', undefined, guess));

  const all = { ...commonProblems, ...operationProblems };
  const { database_unavailable: _metInOutageTest, ...wanted } = all;
  expect(Object.keys(wanted).filter((code) => !met.has(code))).toEqual([]);
  for (const [code, status] of met) expect([code, status]).toEqual([code, all[code as keyof typeof all].status]);
});
