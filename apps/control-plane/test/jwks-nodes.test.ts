import type { JwksOnNodes, Node } from '@fluxgate/protocol/admin';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Plane, startPlane, type Tenant } from './harness.ts';

let plane: Plane;
let admin: Tenant;
beforeAll(async () => {
  plane = await startPlane();
  admin = await plane.newRealm();
}, 60_000);
afterAll(() => plane.close());

const set = {
  issuer: 'https://auth.example.com',
  jwks_uri: null,
  state: 'fresh',
  keys: [{ kid: 'k', type: 'RSA', alg: null }],
  blocked: [],
  ignored: [],
  fetched_at: '2026-11-21T12:00:00.000Z',
  next_fetch_at: null,
  usable_until: null,
  failures: 0,
  trouble: null,
};
const node = (name: string, state: Node['state']): Node => ({
  name,
  state,
  applied: 1,
  durable: 1,
  lag: 0,
  version: '0.1.0',
  realm: 'live',
  firstSeenAt: '2026-11-21T12:00:00.000Z',
  lastSeenAt: '2026-11-21T12:00:00.000Z',
  quarantined: [],
});

test('every node is asked; what it refused, said wrongly or could not be asked is told apart', async () => {
  const asked: [string, object][] = [];
  plane.nodes.listed = [node('a', 'converged'), node('elsewhere', 'converged'), node('gone', 'offline')];
  plane.nodes.commanded = (name, args) => {
    asked.push([name, args]);
    return {
      b: { ok: true, body: { sets: [{ ...set, state: 'melted' }] } },
      a: { ok: true, body: { sets: [set] } },
      c: { ok: false, body: { why: 'no answer in time' } },
    };
  };
  const expected: JwksOnNodes = {
    items: [
      { node: 'a', ok: true, why: null, sets: [set as JwksOnNodes['items'][number]['sets'][number]] },
      { node: 'b', ok: false, why: 'its answer was not understood', sets: [] },
      { node: 'c', ok: false, why: 'no answer in time', sets: [] },
    ],
    unreached: ['elsewhere'],
  };
  expect((await (await admin.as('viewer')).get('/v1/jwks')).body).toEqual(expected);
  expect((await admin.post('/v1/jwks/refresh', {})).body).toEqual(expected);
  expect((await admin.post('/v1/jwks/evict', { issuer: set.issuer, kid: 'k' })).body).toEqual(expected);
  expect(asked).toEqual([
    ['jwks.status', {}],
    ['jwks.refresh', { issuer: null }],
    ['jwks.evict', { issuer: set.issuer, kid: 'k' }],
  ]);
  const audit = await admin.get<{ items: { action: string; target: string }[] }>('/v1/audit');
  expect(audit.body.items.map(({ action, target }) => `${action} ${target}`)).toEqual(
    expect.arrayContaining([`jwks.refresh jwks/*`, `jwks.evict jwks/${set.issuer}`]),
  );
});

test('without a node nothing was done; viewers may look only; an evict names its issuer', async () => {
  plane.nodes.commanded = () => ({});
  plane.nodes.listed = [];
  expect((await admin.get('/v1/jwks')).body).toEqual({ items: [], unreached: [] });
  expect(await admin.post('/v1/jwks/refresh', {})).toMatchObject({ status: 503, body: { code: 'no_node' } });
  expect(await admin.post('/v1/jwks/evict', { issuer: 'https://x.example' })).toMatchObject({ status: 503 });
  expect((await admin.post('/v1/jwks/evict', { kid: 'k' })).status).toBe(400);
  expect((await (await admin.as('viewer')).post('/v1/jwks/evict', { issuer: 'https://x.example' })).status).toBe(403);
});
