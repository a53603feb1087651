import type { IssuedKey, Key, RotatedKey } from '@fluxgate/protocol/admin';
import { buildState } from '@fluxgate/protocol/sync';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { tidyRealm } from '../src/jobs/tidy.ts';
import { engines, type Plane, startPlane } from './harness.ts';

describe.each(engines)('on %s', (engine) => {
  let plane: Plane;
  beforeAll(async () => {
    plane = await startPlane(engine);
  }, 60_000);
  afterAll(() => plane.close());

  test('ten requests at once with one Idempotency-Key make one key, and one of them gets the secret', async () => {
    const tenant = await plane.newRealm();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => tenant.post<IssuedKey>('/v1/keys', { name: 'one' }, { 'idempotency-key': 'same' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201));
    expect(new Set(answers.map(({ body }) => body.key.id)).size).toBe(1);
    expect(answers.filter(({ body }) => body.secret !== null)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.replayed)).toHaveLength(9);
    expect((await plane.services.db.head(tenant.realm)).revision).toBe(1);
  });

  test('ten rotations of one key at once: one goes through, the others hear why not', async () => {
    const tenant = await plane.newRealm();
    await tenant.post('/v1/keys', { name: 'r' });
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => tenant.post<RotatedKey & { code?: string }>('/v1/keys/r/rotate')),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
    expect((await tenant.get<Key>('/v1/keys/r')).body.versions.map(({ state }) => state)).toEqual(['retiring', 'active']);
  });

  test('writers and the tidy job side by side leave no key without its grant, and revisions without a gap', async () => {
    const tenant = await plane.newRealm();
    const work = Array.from({ length: 30 }, async (_, index) => {
      await tenant.post('/v1/keys', { name: `k${index}`, scopes: [`s${index % 3}`] });
      if (index % 2 === 0) await tenant.patch(`/v1/keys/k${index}`, { scopes: [`s${(index + 1) % 3}`] });
      if (index % 5 === 0) await tidyRealm(plane.services, tenant.realm);
    });
    await Promise.all(work);
    const { records, revision } = await plane.services.db.snapshot(tenant.realm);
    const built = buildState(records);
    expect([built.held, built.keys.size]).toEqual([[], 30]);
    for (const { grant } of built.keys.values()) expect(built.grants.has(grant)).toBe(true);
    const log = await plane.services.db.revisionsAfter(tenant.realm, 0, 1000);
    expect(log === 'gone' ? [] : log.map((entry) => entry.revision)).toEqual(
      Array.from({ length: revision }, (_, index) => index + 1),
    );
  }, 60_000);
});
