import { parseKey } from '@fluxgate/policy';
import type { IssuedKey, Key, Page, RotatedKey, Rotation } from '@fluxgate/protocol/admin';
import { buildState } from '@fluxgate/protocol/sync';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Retries, rotateDueKeys } from '../src/jobs/automatic-rotation.ts';
import { tidyRealm } from '../src/jobs/tidy.ts';
import { type Plane, startPlane, type Tenant } from './harness.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
let plane: Plane;
beforeAll(async () => {
  plane = await startPlane();
}, 60_000);
afterAll(() => plane.close());

const fresh = (): Retries => ({ waits: new Map() });
const state = async (tenant: Tenant) => buildState((await plane.services.db.snapshot(tenant.realm)).records);
const place = 'vault:secret/data/clients/a#key';
const stored = async (tenant: Tenant) => {
  const secret = await plane.services.secretsOf(tenant.realm).get('secret/data/clients/a', 'key');
  const key = parseKey(secret?.reveal() ?? '');
  return key.ok ? key.kid : null;
};
const policy = { everyMs: 10 * dayMs, graceMs: hourMs, deliver: place };

test('a key with a place to deliver to rotates by itself when it is due, once, however many control planes look', async () => {
  const tenant = await plane.newRealm();
  const { key } = (await tenant.post<IssuedKey>('/v1/keys', { name: 'auto', rotation: policy })).body;
  await rotateDueKeys(plane.services, fresh());
  expect(await stored(tenant)).toBeNull();
  plane.door.advance(10 * dayMs);
  await Promise.all([
    rotateDueKeys(plane.services, fresh()),
    rotateDueKeys(plane.services, fresh()),
    rotateDueKeys(plane.services, fresh()),
  ]);
  const after = (await tenant.get<Key>('/v1/keys/auto')).body;
  expect(after.versions.map(({ state: of }) => of)).toEqual(['retiring', 'active']);
  expect(await stored(tenant)).toBe(after.versions[1]?.kid);
  expect(new Date(after.rotationDueAt ?? 0).getTime() - new Date(after.versions[1]?.createdAt ?? 0).getTime()).toBe(10 * dayMs);
  const { items } = (await tenant.get<Page<Rotation>>('/v1/rotations')).body;
  expect(items.map(({ actor, fromKid }) => [actor, fromKid])).toEqual([['automatic', key.versions[0]?.kid]]);
});

test('a key without a place is only marked due, and so is one that is about to end', async () => {
  const tenant = await plane.newRealm();
  await tenant.post('/v1/keys', { name: 'by-policy', rotation: { ...policy, deliver: null } });
  await tenant.post('/v1/keys', { name: 'by-expiry', expiresInMs: 11 * dayMs });
  await tenant.post('/v1/keys', { name: 'not-yet' });
  plane.door.advance(10 * dayMs);
  await rotateDueKeys(plane.services, fresh());
  for (const name of ['by-policy', 'by-expiry', 'not-yet'])
    expect((await tenant.get<Key>(`/v1/keys/${name}`)).body.versions).toHaveLength(1);
  const due = async (flag: boolean) =>
    (await tenant.get<Page<Key>>(`/v1/keys?due=${flag}`)).body.items.map(({ name }) => name).sort();
  expect(await due(true)).toEqual(['by-expiry', 'by-policy']);
  expect(await due(false)).toEqual(['not-yet']);
});

test('a revoked or suspended key is never rotated by a job', async () => {
  const tenant = await plane.newRealm();
  for (const name of ['revoked', 'suspended']) await tenant.post('/v1/keys', { name, rotation: policy });
  await tenant.post('/v1/keys/revoked/revoke');
  await tenant.patch('/v1/keys/suspended', { suspended: true });
  plane.door.advance(10 * dayMs);
  await rotateDueKeys(plane.services, fresh());
  for (const name of ['revoked', 'suspended']) expect((await tenant.get<Key>(`/v1/keys/${name}`)).body.versions).toHaveLength(1);
});

test('a secret that was lost with its control plane is issued again, while the old version stays valid', async () => {
  const tenant = await plane.newRealm();
  await tenant.post('/v1/keys', { name: 'auto', rotation: policy });
  plane.door.advance(10 * dayMs);
  await rotateDueKeys(plane.services, fresh());
  const before = (await tenant.get<Key>('/v1/keys/auto')).body;
  // As if the process had died between the commit and the delivery.
  await plane.services.db.prisma.secret.deleteMany({ where: { realm: tenant.realm, path: 'secret/data/clients/a' } });
  await rotateDueKeys(plane.services, fresh());
  expect(await stored(tenant)).toBeNull();
  plane.door.advance(121_000);
  await rotateDueKeys(plane.services, fresh());
  const after = (await tenant.get<Key>('/v1/keys/auto')).body;
  expect(after.versions.map(({ state: of }) => of)).toEqual(['retiring', 'revoked', 'active']);
  expect(after.versions[0]?.notAfter).toBe(before.versions[0]?.notAfter);
  expect(await stored(tenant)).toBe(after.versions[2]?.kid);
});

test('a store that refuses is tried less and less often, and each try leaves the old version active', async () => {
  const tenant = await plane.newRealm();
  await tenant.post('/v1/keys', { name: 'auto', rotation: policy });
  plane.door.advance(10 * dayMs);
  const store = plane.services.secretsOf(tenant.realm) as { set: unknown };
  const { set } = store;
  let tries = 0;
  store.set = () => {
    tries += 1;
    return Promise.reject(new Error('sealed'));
  };
  const retries = fresh();
  for (let minute = 0; minute < 10; minute += 1) {
    await rotateDueKeys(plane.services, retries);
    plane.door.advance(60_000);
  }
  expect(tries).toBe(4);
  store.set = set;
  const { versions } = (await tenant.get<Key>('/v1/keys/auto')).body;
  expect(versions[0]?.state).toBe('active');
  plane.door.advance(hourMs);
  await rotateDueKeys(plane.services, retries);
  expect(await stored(tenant)).not.toBeNull();
});

test('what ended long ago leaves the state of the nodes, and unused grants with it', async () => {
  const tenant = await plane.newRealm();
  await tenant.post('/v1/keys', { name: 'gone', scopes: ['only-here'] });
  await tenant.post('/v1/keys', { name: 'short', scopes: ['shared'], expiresInMs: dayMs });
  await tenant.post('/v1/keys', { name: 'stays', scopes: ['shared'] });
  await tenant.patch('/v1/keys/gone', { scopes: ['other'] });
  await tenant.post('/v1/keys/gone/revoke');
  await tidyRealm(plane.services, tenant.realm);
  expect((await state(tenant)).keys.size).toBe(3);
  expect([...(await state(tenant)).grants.values()].map(({ scopes }) => scopes.join()).sort()).toEqual(['other', 'shared']);
  plane.door.advance(9 * dayMs);
  expect(await tidyRealm(plane.services, tenant.realm)).toBe(2);
  const built = await state(tenant);
  expect([built.held, [...built.keys.values()].map(({ name }) => name)]).toEqual([[], ['stays']]);
  expect(await tidyRealm(plane.services, tenant.realm)).toBe(0);
  // An expired key that is renewed is told to the nodes again.
  expect((await tenant.post('/v1/keys/short/renew')).status).toBe(200);
  expect((await state(tenant)).keys.size).toBe(2);
});

test('an ended grace is written down by the job as the clock saw it', async () => {
  const tenant = await plane.newRealm();
  await tenant.post('/v1/keys', { name: 'r' });
  const { rotation } = (await tenant.post<RotatedKey>('/v1/keys/r/rotate', { graceMs: hourMs })).body;
  plane.door.advance(hourMs + 1000);
  const seen = (await tenant.get<Rotation>(`/v1/rotations/${rotation.id}`)).body;
  await tidyRealm(plane.services, tenant.realm);
  expect((await tenant.get<Rotation>(`/v1/rotations/${rotation.id}`)).body).toEqual(seen);
  const row = await plane.services.db.prisma.keyVersion.findUniqueOrThrow({ where: { kid: rotation.fromKid } });
  expect([row.state, row.endedAt?.toISOString()]).toEqual(['retired', rotation.graceUntil]);
});
