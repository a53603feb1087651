import { parseKey } from '@fluxgate/policy';
import type { IssuedKey, Key, KeyUsage, Page, Problem, RotatedKey, Rotation } from '@fluxgate/protocol/admin';
import { buildState, keyDigest } from '@fluxgate/protocol/sync';
import { readPepperRing } from '@fluxgate/stores/secrets';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Plane, startPlane, type Tenant } from './harness.ts';

const dayMs = 86_400_000;
let plane: Plane;
beforeAll(async () => {
  plane = await startPlane();
}, 60_000);
afterAll(() => plane.close());

/** The state as nodes hold it. */
async function state(tenant: Tenant) {
  const built = buildState((await plane.services.db.snapshot(tenant.realm)).records);
  expect(built.held).toEqual([]);
  return built;
}
const applied = async (tenant: Tenant, text: string): Promise<void> => {
  const { status, body } = await tenant.apply(text);
  if (status !== 200) throw new Error(`not applied: ${JSON.stringify(body)}`);
};
const generate = async (tenant: Tenant, body: object) => (await tenant.post<IssuedKey>('/v1/keys', body)).body;

test('a generated key verifies against what nodes are told, and its secret is stored nowhere', async () => {
  const tenant = await plane.newRealm();
  const answer = await tenant.post<IssuedKey>('/v1/keys', {
    name: 'analytics',
    scopes: ['read:metrics'],
    owner: 'team-a',
    labels: { env: 'test' },
    quota: { limit: 50_000, window: 'day', zone: 'UTC' },
  });
  expect(answer.status).toBe(201);
  const { key, secret, revision, replayed, convergence } = answer.body;
  expect({ replayed, convergence, revision }).toEqual({ replayed: false, convergence: null, revision: 1 });
  const parsed = parseKey(secret ?? '');
  if (!parsed.ok) throw new Error('not a key');
  expect(parsed).toMatchObject({ kind: 'k', realm: tenant.realm });
  const built = await state(tenant);
  const record = built.keys.get(parsed.kid);
  const ring = await readPepperRing(plane.services.secretsOf(tenant.realm), 'secret/data/api-keys');
  const pepper = ring?.peppers.get(record?.pepperVersion ?? 0) as Uint8Array;
  expect(Buffer.from(record?.digest ?? [])).toEqual(keyDigest(pepper, parsed.kid, parsed.secret));
  expect(record).toMatchObject({ state: 'active', name: 'analytics', credential: 1 });
  expect(built.grants.get(record?.grant ?? 0)).toMatchObject({
    scopes: ['read:metrics'],
    owner: 'team-a',
    quota: { limit: 50_000, window: 'day', zone: 'UTC' },
  });
  expect(key.key).toContain(parsed.kid);
  expect(JSON.stringify(key)).not.toContain(parsed.secret);
  expect(new Date(key.expiresAt ?? 0).getTime() - new Date(key.createdAt).getTime()).toBeGreaterThanOrEqual(90 * dayMs);
  expect(plane.nodes.woken).toContain(tenant.realm);
});

test('credentials that may do the same share one grant', async () => {
  const tenant = await plane.newRealm();
  await generate(tenant, { name: 'a', scopes: ['x', 'y'] });
  await generate(tenant, { name: 'b', scopes: ['y', 'x', 'x'] });
  await generate(tenant, { name: 'c', scopes: ['y'] });
  const { keys, grants } = await state(tenant);
  expect(grants.size).toBe(2);
  expect([...keys.values()].map(({ grant }) => grant).sort()).toEqual([1, 1, 2]);
  expect([...keys.values()].map(({ credential }) => credential).sort()).toEqual([1, 2, 3]);
});

test('a key may not outlive max_age, and the answer says what is allowed', async () => {
  const tenant = await plane.newRealm();
  await applied(tenant, 'fluxgate:\n  auth:\n    api_key:\n      enabled: true\n      validation: { max_age: 10d }\n');
  const long = await tenant.post<Problem>('/v1/keys', { name: 'a', expiresInMs: 11 * dayMs });
  expect([long.status, long.body.code]).toEqual([422, 'expiry_exceeds_max_age']);
  expect(long.body.hint).toContain('10 d');
  const { key } = await generate(tenant, { name: 'b' });
  expect(new Date(key.expiresAt ?? 0).getTime() - new Date(key.createdAt).getTime()).toBeLessThan(10 * dayMs + 1001);
  const at = await tenant.post<IssuedKey>('/v1/keys', {
    name: 'c',
    expiresAt: new Date(plane.door.nowMs() + dayMs).toISOString(),
  });
  expect(at.status).toBe(201);
});

test('every mistake of a request is named at once, by field', async () => {
  const tenant = await plane.newRealm();
  const answer = await tenant.post<Problem>('/v1/keys', {
    name: 'ok',
    cidrs: ['10.0.0.1/8', '10.0.0.0/8', 'nowhere'],
    routes: ['/missing'],
    quota: { limit: 5, window: 'day', zone: 'Mars/Olympus' },
  });
  expect(answer.status).toBe(400);
  expect(answer.body.errors?.map(({ field }) => field)).toEqual(['cidrs.0', 'cidrs.2', 'routes.0', 'quota.zone']);
  const shape = await tenant.post<Problem>('/v1/keys?wat=1', { nmae: 'typo', scopes: 'x' });
  expect(shape.body.errors?.map(({ field }) => field).sort()).toEqual(['name', 'nmae', 'scopes', 'wat']);
});

test('a name is taken once', async () => {
  const tenant = await plane.newRealm();
  await generate(tenant, { name: 'twin' });
  const second = await tenant.post<Problem>('/v1/keys', { name: 'twin' });
  expect([second.status, second.body.code]).toEqual([409, 'key_name_taken']);
  const both = await Promise.all([tenant.post('/v1/keys', { name: 'race' }), tenant.post('/v1/keys', { name: 'race' })]);
  expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
});

test('a key is found by id, by name and by kid, and in no other realm', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'findme' });
  for (const by of [key.id, 'findme', key.versions[0]?.kid])
    expect((await tenant.get<Key>(`/v1/keys/${by}`)).body.id).toBe(key.id);
  const other = await plane.newRealm();
  for (const by of [key.id, 'findme', key.versions[0]?.kid])
    expect((await other.get<Problem>(`/v1/keys/${by}`)).body.code).toBe('key_not_found');
});

test('a key named like the kid of another one does not stand in for it: a revocation by kid ends the key of that kid', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'leaked' });
  const kid = key.versions[0]?.kid ?? '';
  const decoy = await generate(tenant, { name: kid });
  expect((await tenant.get<Key>(`/v1/keys/${kid}`)).body.id).toBe(key.id);
  await tenant.post(`/v1/keys/${kid}/revoke`, {});
  const { keys } = await state(tenant);
  expect(keys.get(kid)?.state).toBe('revoked');
  expect(keys.get(decoy.key.versions[0]?.kid ?? '')?.state).toBe('active');
});

test('keys are listed newest first, page by page, none twice and none missing', async () => {
  const tenant = await plane.newRealm();
  for (let index = 0; index < 7; index += 1) await generate(tenant, { name: `k${index}` });
  const names: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: Page<Key> = (await tenant.get<Page<Key>>(`/v1/keys?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)).body;
    names.push(...page.items.map(({ name }) => name));
    cursor = page.nextCursor ?? null;
  }
  expect(names).toEqual(['k6', 'k5', 'k4', 'k3', 'k2', 'k1', 'k0']);
  for (const bad of ['nonsense', Buffer.from('["auditList",1,"x"]').toString('base64url'), 'W10']) {
    const answer = await tenant.get<Problem>(`/v1/keys?cursor=${bad}`);
    expect([answer.status, answer.body.errors?.[0]?.field]).toEqual([400, 'cursor']);
  }
});

test('keys are found by part of name, owner, id, kid and last four, and filtered by scope, label and state', async () => {
  const tenant = await plane.newRealm();
  const { key: a } = await generate(tenant, {
    name: 'billing-export',
    owner: 'Team_Blue',
    scopes: ['read:x'],
    labels: { team: 'blue' },
  });
  const { key: b } = await generate(tenant, { name: 'other', scopes: ['read:y'], labels: { team: 'red' } });
  const list = async (query: string) => (await tenant.get<Page<Key>>(`/v1/keys?${query}`)).body.items.map(({ name }) => name);
  const version = a.versions[0];
  for (const search of ['ING-exp', 'team_b', a.id.slice(4, 12), version?.kid.slice(3, 9), version?.lastFour])
    expect(await list(`search=${search}`)).toEqual(['billing-export']);
  expect(await list('search=%25')).toEqual([]);
  expect(await list('scope=read:y')).toEqual(['other']);
  expect(await list('label=team%3Dblue')).toEqual(['billing-export']);
  expect(await list('label=team')).toEqual(['other', 'billing-export']);
  await tenant.post(`/v1/keys/${b.id}/revoke`);
  expect(await list('state=revoked')).toEqual(['other']);
  expect(await list('state=active')).toEqual(['billing-export']);
  expect(await list(`expiringWithinMs=${91 * dayMs}`)).toEqual(['billing-export']);
  expect(await list(`expiringWithinMs=${dayMs}`)).toEqual([]);
});

test('a filter by state pages without gaps', async () => {
  const tenant = await plane.newRealm();
  for (let index = 0; index < 9; index += 1) await generate(tenant, { name: `p${index}` });
  for (const index of [1, 2, 5, 8]) await tenant.post(`/v1/keys/p${index}/revoke`);
  for (const [state, expected] of [
    ['active', ['p7', 'p6', 'p4', 'p3', 'p0']],
    ['revoked', ['p8', 'p5', 'p2', 'p1']],
    ['expired', []],
  ] as const) {
    const names: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: Page<Key> = (
        await tenant.get<Page<Key>>(`/v1/keys?limit=2&state=${state}${cursor === '' ? '' : `&cursor=${cursor}`}`)
      ).body;
      names.push(...page.items.map(({ name }) => name));
      cursor = page.nextCursor ?? null;
    }
    expect([state, names]).toEqual([state, expected]);
  }
});

test('rotation keeps the old version until its grace ends, by the clock alone', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'r', expiresInMs: 30 * dayMs });
  const rotated = await tenant.post<RotatedKey>('/v1/keys/r/rotate', { graceMs: 3_600_000 });
  expect(rotated.status).toBe(201);
  expect(rotated.body.rotation).toMatchObject({ fromVersion: 1, toVersion: 2, state: 'retiring' });
  expect(rotated.body.key.versions.map(({ state: of }) => of)).toEqual(['retiring', 'active']);
  const { keys } = await state(tenant);
  const old = keys.get(key.versions[0]?.kid ?? '');
  expect(old?.state).toBe('retiring');
  expect(old?.notAfterS).toBe(new Date(rotated.body.rotation.graceUntil).getTime() / 1000);
  // The next version lives as long as its owner chose for the first.
  const fresh = rotated.body.key.versions[1];
  expect(Math.round((new Date(fresh?.notAfter ?? 0).getTime() - new Date(fresh?.createdAt ?? 0).getTime()) / dayMs)).toBe(30);

  const third = await tenant.post<Problem>('/v1/keys/r/rotate', {});
  expect([third.status, third.body.code]).toEqual([409, 'rotation_in_progress']);
  plane.door.advance(3_600_001 + 1000);
  expect((await tenant.get<Key>('/v1/keys/r')).body.versions.map(({ state: of }) => of)).toEqual(['retired', 'active']);
  expect((await tenant.get<Rotation>(`/v1/rotations/${rotated.body.rotation.id}`)).body.state).toBe('finished');
  const again = await tenant.post<RotatedKey>('/v1/keys/r/rotate', {});
  expect([again.status, again.body.rotation.toVersion]).toEqual([201, 3]);
});

test('a lost secret is issued again while the old version stays valid', async () => {
  const tenant = await plane.newRealm();
  await generate(tenant, { name: 'r' });
  const nothing = await tenant.post<Problem>('/v1/keys/r/rotate', { reissue: true });
  expect([nothing.status, nothing.body.code]).toEqual([404, 'rotation_not_found']);
  const first = (await tenant.post<RotatedKey>('/v1/keys/r/rotate', {})).body;
  const second = (await tenant.post<RotatedKey>('/v1/keys/r/rotate', { reissue: true })).body;
  expect(second.rotation.id).toBe(first.rotation.id);
  expect(second.rotation.graceUntil).toBe(first.rotation.graceUntil);
  expect(second.key.versions.map(({ state: of }) => of)).toEqual(['retiring', 'revoked', 'active']);
  expect(second.secret).not.toBe(first.secret);
});

test('without a grace the old version ends at once', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'r' });
  const { rotation } = (await tenant.post<RotatedKey>('/v1/keys/r/rotate', { graceMs: 0 })).body;
  expect(rotation.state).toBe('finished');
  expect((await state(tenant)).keys.get(key.versions[0]?.kid ?? '')?.state).toBe('revoked');
  const { revision } = await plane.services.db.head(tenant.realm);
  const last = await plane.services.db.prisma.revision.findFirst({ where: { realm: tenant.realm, revision: BigInt(revision) } });
  expect(last?.urgent).toBe(true);
});

test('finish refuses while somebody still uses the old version, and names the caller', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'r' });
  const { rotation } = (await tenant.post<RotatedKey>('/v1/keys/r/rotate', {})).body;
  await plane.services.db.prisma.keyVersion.update({
    where: { kid: key.versions[0]?.kid ?? '' },
    data: { lastUsedAt: new Date(plane.door.nowMs()), lastAddress: '10.2.4.17', lastUserAgent: 'batch/2.1' },
  });
  const busy = await tenant.post<Problem>(`/v1/rotations/${rotation.id}/finish`, { whenIdleMs: 600_000 });
  expect([busy.status, busy.body.code]).toEqual([409, 'rotation_not_idle']);
  expect(busy.body.detail).toContain('10.2.4.17 batch/2.1');
  const bare = await tenant.post<Problem>(`/v1/rotations/${rotation.id}/finish`);
  expect(bare.body.code).toBe('rotation_not_idle');
  const forced = await tenant.post<{ rotation: Rotation }>(`/v1/rotations/${rotation.id}/finish`, { force: true });
  expect(forced.body.rotation.state).toBe('finished');
  const over = await tenant.post<Problem>(`/v1/rotations/${rotation.id}/finish`, { force: true });
  expect([over.status, over.body.code]).toEqual([409, 'rotation_ended']);
  expect((await state(tenant)).keys.get(key.versions[0]?.kid ?? '')?.state).toBe('revoked');
});

test('an aborted rotation gives the old version back for as long as it had', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'r' });
  const rotated = (await tenant.post<RotatedKey>('/v1/keys/r/rotate', {})).body;
  const aborted = await tenant.post<{ rotation: Rotation }>(`/v1/rotations/${rotated.rotation.id}/abort`);
  expect(aborted.body.rotation.state).toBe('aborted');
  const after = (await tenant.get<Key>('/v1/keys/r')).body;
  expect(after.versions.map(({ state: of, notAfter }) => [of, notAfter])).toEqual([
    ['active', key.expiresAt],
    ['revoked', rotated.key.versions[1]?.notAfter],
  ]);
  expect((await state(tenant)).keys.get(key.versions[0]?.kid ?? '')?.state).toBe('active');
  const list = (await tenant.get<Page<Rotation>>('/v1/rotations?key=r&state=aborted')).body.items;
  expect(list.map(({ id }) => id)).toEqual([rotated.rotation.id]);
});

test('revoking ends every version, is told to nodes as urgent, and may be repeated', async () => {
  const tenant = await plane.newRealm();
  await generate(tenant, { name: 'r' });
  await tenant.post('/v1/keys/r/rotate', {});
  const revoked = await tenant.post<{ key: Key; revision: number }>('/v1/keys/r/revoke', { reason: 'leaked' });
  expect(revoked.body.key.state).toBe('revoked');
  expect(revoked.body.key.versions.map(({ state: of, reason }) => [of, reason])).toEqual([
    ['revoked', 'leaked'],
    ['revoked', 'leaked'],
  ]);
  expect([...(await state(tenant)).keys.values()].every(({ state: of }) => of === 'revoked')).toBe(true);
  const again = await tenant.post<{ revision: number }>('/v1/keys/r/revoke');
  expect(again.body.revision).toBe(revoked.body.revision);
  for (const path of ['rotate', 'renew'])
    expect((await tenant.post<Problem>(`/v1/keys/r/${path}`)).body.code).toBe('key_not_live');
});

test('one version can be revoked by its kid', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'r' });
  await tenant.post('/v1/keys/r/rotate', {});
  const old = key.versions[0]?.kid ?? '';
  const revoked = await tenant.post<{ key: Key }>('/v1/keys/r/revoke', { kid: old });
  expect(revoked.body.key.versions.map(({ state: of }) => of)).toEqual(['revoked', 'active']);
  expect(revoked.body.key.state).toBe('active');
  expect((await tenant.post<Problem>('/v1/keys/r/revoke', { kid: 'AAAAAAAAAAAA' })).body.code).toBe('key_not_found');
});

test('a suspended key is refused by nodes and comes back when it is resumed', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 's' });
  await tenant.post('/v1/keys/s/rotate', {});
  const suspended = await tenant.patch<{ key: Key }>('/v1/keys/s', { suspended: true });
  expect(suspended.body.key.state).toBe('suspended');
  expect([...(await state(tenant)).keys.values()].map(({ state: of }) => of)).toEqual(['suspended', 'suspended']);
  expect((await tenant.post<Problem>('/v1/keys/s/rotate')).body.code).toBe('key_not_live');
  const resumed = await tenant.patch<{ key: Key }>('/v1/keys/s', { suspended: false });
  expect(resumed.body.key.versions.map(({ state: of }) => of)).toEqual(['retiring', 'active']);
  expect((await state(tenant)).keys.get(key.versions[0]?.kid ?? '')?.state).toBe('retiring');
});

test('an update changes only what it names, and every version gets the new grant', async () => {
  const tenant = await plane.newRealm();
  await generate(tenant, { name: 'u', scopes: ['a'], cidrs: ['10.0.0.0/8'], owner: 'x', labels: { l: '1' } });
  await tenant.post('/v1/keys/u/rotate', {});
  const head = (await plane.services.db.head(tenant.realm)).revision;
  const changed = await tenant.patch<{ key: Key; revision: number }>('/v1/keys/u', { scopes: ['a', 'b'], cidrs: null });
  expect(changed.body.key).toMatchObject({ scopes: ['a', 'b'], cidrs: null, owner: 'x', labels: { l: '1' } });
  expect(changed.body.revision).toBe(head + 1);
  const { keys, grants } = await state(tenant);
  for (const { grant } of keys.values()) expect(grants.get(grant)).toMatchObject({ scopes: ['a', 'b'], cidrs: null });
  const labels = await tenant.patch<{ key: Key; revision: number }>('/v1/keys/u', { labels: { l: '2' } });
  expect([labels.body.revision, labels.body.key.labels]).toEqual([head + 1, { l: '2' }]);
  const none = await tenant.patch<{ revision: number }>('/v1/keys/u', {});
  expect(none.body.revision).toBe(head + 1);
});

test('an empty list of addresses or routes allows nobody, which is not the same as no list', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'u', cidrs: [], routes: [] });
  expect([key.cidrs, key.routes]).toEqual([[], []]);
  const [grant] = (await state(tenant)).grants.values();
  expect([grant?.cidrs, grant?.routes]).toEqual([[], []]);
});

test('renewing gives a new end and an untouched budget, also to a key that has expired', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'n', expiresInMs: 60_000, requestBudget: 10 });
  const kid = key.versions[0]?.kid ?? '';
  await plane.services.db.prisma.keyVersion.update({ where: { kid }, data: { budgetAllotted: 10n } });
  expect((await tenant.get<Key>('/v1/keys/n')).body.state).toBe('exhausted');
  plane.door.advance(62_000);
  expect((await tenant.get<Key>('/v1/keys/n')).body.state).toBe('expired');
  const renewed = await tenant.post<{ key: Key }>('/v1/keys/n/renew', { expiresInMs: dayMs });
  expect(renewed.body.key.state).toBe('active');
  expect(renewed.body.key.versions[0]?.budget).toEqual({ limit: 10, allotted: 0 });
  expect((await tenant.post<Problem>('/v1/keys/n/renew', { expiresInMs: 400 * dayMs })).body.code).toBe('expiry_exceeds_max_age');
});

test('max_requests is the budget of every key and cannot be exceeded by asking', async () => {
  const tenant = await plane.newRealm();
  await applied(tenant, 'fluxgate:\n  auth:\n    api_key:\n      enabled: true\n      validation: { max_requests: 10000 }\n');
  expect((await generate(tenant, { name: 'a' })).key.requestBudget).toBe(10_000);
  expect((await generate(tenant, { name: 'b', requestBudget: 5 })).key.requestBudget).toBe(5);
  for (const requestBudget of [10_001, null])
    expect((await tenant.post<Problem>('/v1/keys', { name: 'c', requestBudget })).body.errors?.[0]?.field).toBe('requestBudget');
});

test('a rotation delivers into the secret store instead of the answer, never over the pepper ring', async () => {
  const tenant = await plane.newRealm();
  await generate(tenant, { name: 'd' });
  for (const deliver of [
    'vault:secret/data/api-keys#pepper.1',
    'vault:secret/data/api-keys#current',
    'vault:other/place#x',
    'file:/etc/passwd',
    'nonsense',
  ]) {
    const refused = await tenant.post<Problem>('/v1/keys/d/rotate', { deliver });
    expect([deliver, refused.status, refused.body.code]).toEqual([deliver, 422, 'secret_ref_refused']);
  }
  const done = await tenant.post<RotatedKey>('/v1/keys/d/rotate', { deliver: 'vault:secret/data/clients/d#api_key' });
  expect([done.body.secret, done.body.delivered]).toEqual([null, 'vault:secret/data/clients/d#api_key']);
  const stored = await plane.services.secretsOf(tenant.realm).get('secret/data/clients/d', 'api_key');
  const parsed = parseKey(stored?.reveal() ?? '');
  expect(parsed.ok && parsed.kid).toBe(done.body.rotation.toKid);
  // The nodes knew it before it lay there.
  expect(plane.nodes.asked.at(-1)).toMatchObject({ realm: tenant.realm, revision: done.body.revision });
});

test('a key rotator delivers where the policy of the key says and nowhere else, so that it overwrites no secret of others', async () => {
  const tenant = await plane.newRealm();
  const own = 'vault:secret/data/clients/p#api_key';
  await generate(tenant, { name: 'p', rotation: { everyMs: 30 * dayMs, graceMs: 3_600_000, deliver: own } });
  await generate(tenant, { name: 'bare' });
  await tenant.put('/v1/secrets', { path: 'secret/data/oauth2', field: 'client_secret', value: 'of-the-provider' });
  const rotator = await tenant.as('key-rotator');
  for (const [name, deliver] of [
    ['p', 'vault:secret/data/oauth2#client_secret'],
    ['bare', 'vault:secret/data/oauth2#client_secret'],
    ['bare', own],
  ]) {
    const refused = await rotator.post<Problem>(`/v1/keys/${name}/rotate`, { deliver });
    expect([name, refused.status, refused.body.code]).toEqual([name, 403, 'forbidden']);
  }
  const kept = await plane.services.secretsOf(tenant.realm).get('secret/data/oauth2', 'client_secret');
  expect(kept?.reveal()).toBe('of-the-provider');
  expect((await rotator.post<RotatedKey>('/v1/keys/p/rotate', { deliver: own })).status).toBe(201);
});

test('a delivery that fails undoes the rotation', async () => {
  const tenant = await plane.newRealm();
  await generate(tenant, { name: 'd' });
  const store = plane.services.secretsOf(tenant.realm) as { set: unknown };
  const set = store.set;
  store.set = async () => {
    throw new Error('the vault is sealed');
  };
  const failed = await tenant.post<Problem>(
    '/v1/keys/d/rotate',
    { deliver: 'vault:secret/data/clients/d#api_key' },
    { 'idempotency-key': 'delivery-1' },
  );
  store.set = set;
  expect([failed.status, failed.body.code]).toEqual([503, 'secret_store_unavailable']);
  expect((await tenant.get<Key>('/v1/keys/d')).body.versions.map(({ state: of }) => of)).toEqual(['active', 'revoked']);
  const retried = await tenant.post<RotatedKey>(
    '/v1/keys/d/rotate',
    { deliver: 'vault:secret/data/clients/d#api_key' },
    { 'idempotency-key': 'delivery-1' },
  );
  expect([retried.status, retried.body.replayed]).toEqual([201, false]);
});

test('a dry run answers as the write would, and leaves nothing behind', async () => {
  const tenant = await plane.newRealm();
  const dry = await tenant.post<IssuedKey>('/v1/keys?dryRun=true', { name: 'dry', scopes: ['a'] });
  expect([dry.status, dry.body.secret, dry.body.revision]).toEqual([201, null, 0]);
  expect((await tenant.get<Problem>('/v1/keys/dry')).status).toBe(404);
  await generate(tenant, { name: 'wet' });
  const rotated = await tenant.post<RotatedKey>('/v1/keys/wet/rotate?dryRun=true', {});
  expect([rotated.body.secret, rotated.body.key.versions.length]).toEqual([null, 2]);
  expect((await tenant.get<Key>('/v1/keys/wet')).body.versions.length).toBe(1);
});

test('the secret leaves only after the nodes know the key, if that was asked', async () => {
  const tenant = await plane.newRealm();
  plane.nodes.answer = () => ({ nodes: 2, reached: 1, converged: false, pending: ['gateway-5'], elapsedMs: 700 });
  const answer = await tenant.post<IssuedKey>('/v1/keys?wait=converged&timeout=700ms', { name: 'w' });
  plane.nodes.answer = () => ({});
  expect(answer.status).toBe(201);
  expect(answer.body.secret).not.toBeNull();
  expect(answer.body.convergence).toMatchObject({ revision: 1, converged: false, pending: ['gateway-5'] });
  expect(plane.nodes.asked.at(-1)).toEqual({ realm: tenant.realm, revision: 1, timeoutMs: 700 });
});

test('usage shows days, versions and how much of the quota was handed out', async () => {
  const tenant = await plane.newRealm();
  const { key } = await generate(tenant, { name: 'u', quota: { limit: 100, window: 'day', zone: 'UTC' }, requestBudget: 50 });
  const today = new Date(plane.door.nowMs()).toISOString().slice(0, 10);
  const { prisma } = plane.services.db;
  await prisma.usageDay.create({
    data: { realm: tenant.realm, kid: key.versions[0]?.kid ?? '', day: today, allowed: 7n, refused: 2n },
  });
  await prisma.quotaWindow.create({
    data: {
      realm: tenant.realm,
      credential: 1,
      window: today,
      limitTotal: 100n,
      allotted: 20n,
      endsAt: new Date(plane.door.nowMs() + dayMs),
    },
  });
  const { body } = await tenant.get<KeyUsage>('/v1/keys/u/usage?days=2');
  expect(body.quota).toMatchObject({ limit: 100, window: today, used: 7, allotted: 20, remaining: 80 });
  expect(body.days).toEqual([expect.objectContaining({ allowed: 0 }), { day: today, allowed: 7, refused: 2 }]);
  expect(body.versions).toEqual([expect.objectContaining({ allowed: 7, refused: 2, budget: { limit: 50, allotted: 0 } })]);
});
