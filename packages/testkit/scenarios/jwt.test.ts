import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  type House,
  home,
  sleep,
  startHouse,
  startProcess,
  startTestIssuer,
  startUpstream,
  type TestIssuer,
  type Upstream,
  until,
} from '../src/index.ts';

/** Tokens through real processes: an issuer, a control plane, two nodes. The configuration is that of the seeds, with a local issuer. */

let house: House;
let upstream: Upstream;
let issuer: TestIssuer;
let partner: TestIssuer;

const config = (): string => `
fluxgate:
  auth:
    api_key: { enabled: true }
    jwt:
      enabled: true
      jwks_uri: "${issuer.url}/jwks"
      cache_ttl: 300s
      validation:
        issuer: "${issuer.url}"
        audience: "orders-api"
        required_claims: ["sub", "scope", "exp"]
        clock_skew: 120s
        algorithm: "RS256"
upstreams:
  orders: { targets: ["${upstream.url}"] }
---
route: /inherits
upstream: orders
---
route: /orders
upstream: orders
middleware:
  - jwt:
      issuer: ${issuer.url}
      audience: orders-api
      jwks_uri: ${issuer.url}/jwks
      clockSkewTolerance: 60s
      required_scopes: ["orders:read"]
      claims_to_headers: { email: X-User-Email }
---
route: /admin
upstream: orders
middleware:
  - jwt: { issuer: "${issuer.url}", audience: orders-api, jwks_uri: "${issuer.url}/jwks", required_scopes: ["orders:admin"] }
---
route: /partners
upstream: orders
middleware:
  - any_of:
      - jwt: { issuer: "${issuer.url}", audience: orders-api, jwks_uri: "${issuer.url}/jwks" }
      - jwt: { issuer: "${partner.url}", audience: [orders-api], algorithms: [ES256] }
`;

beforeAll(async () => {
  [upstream, issuer, partner] = await Promise.all([startUpstream(), startTestIssuer(), startTestIssuer()]);
  partner.published.splice(0, 1, partner.makeKey('ES256'));
  house = await startHouse({ nodes: 2, nodeEnv: { FLUXGATE_JWKS_COOL_DOWN: '1s' } });
  await house.admin.apply(config());
}, 90_000);
afterAll(async () => {
  await house?.stop();
  await Promise.all([upstream?.close(), issuer?.down(), partner?.down()]);
}, 60_000);

interface Answer {
  readonly status: number;
  readonly error: unknown;
  readonly challenge: string | null;
  readonly reason: string | null;
}
const get = async (path: string, token: string | null, node = 0, headers: Record<string, string> = {}): Promise<Answer> => {
  const response = await fetch(`${house.nodes[node]?.url}${path}`, {
    headers: { ...headers, ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
  });
  const text = await response.text();
  return {
    status: response.status,
    error: response.ok ? null : (JSON.parse(text) as { error: unknown }).error,
    challenge: response.headers.get('www-authenticate'),
    reason: response.headers.get('x-fluxgate-reason'),
  };
};
const jwksOf = async (node = 0) => {
  const status = await house.admin.call<{
    items: { node: string; ok: boolean; sets: { issuer: string; state: string; keys: { kid: string }[]; blocked: string[] }[] }[];
  }>('GET', '/v1/jwks');
  expect(status.status).toBe(200);
  return status.body.items[node]?.sets.find((set) => set.issuer === issuer.url);
};

test('a good token opens inherited, own and alternative routes on every node; a bad one is told by RFC 6750 why not', async () => {
  const token = issuer.mint();
  for (const node of [0, 1])
    for (const path of ['/inherits', '/orders', '/partners'])
      expect([path, (await get(path, token, node)).status]).toEqual([path, 200]);
  expect(await get('/orders', null)).toMatchObject({ status: 401, error: 'missing_token', challenge: 'Bearer realm="live"' });
  const nowS = Math.floor(Date.now() / 1000);
  const expired = issuer.mint({ exp: nowS - 61 });
  expect(await get('/orders', expired)).toMatchObject({ status: 401, error: 'invalid_token', reason: 'token_expired' });
  // The global block allows twice the skew.
  expect((await get('/inherits', expired)).status).toBe(200);
  expect(await get('/inherits', issuer.mint({ scope: undefined }))).toMatchObject({ status: 401, reason: 'claim_missing' });
  expect(await get('/orders', issuer.mint({ aud: 'billing' }))).toMatchObject({ status: 401, reason: 'audience_mismatch' });
  expect(await get('/orders', issuer.mint({ iss: partner.url }))).toMatchObject({ status: 401, reason: null });
  expect(await get('/orders', `${token.slice(0, -4)}AAAA`)).toMatchObject({ status: 401, error: 'invalid_token', reason: null });
  expect(await get('/admin', token)).toMatchObject({
    status: 403,
    error: 'insufficient_scope',
    challenge: 'Bearer realm="live", error="insufficient_scope", scope="orders:admin"',
  });
});

test('the upstream hears who is calling; what the caller says under these names does not arrive', async () => {
  upstream.received.length = 0;
  const token = issuer.mint({ sub: 'zoë\r\nX-Admin: 1', email: 'z@example.com' });
  await get('/orders', token, 0, { 'x-user-email': 'forged', 'X-FluxGate-Principal': 'admin', x_user_email: 'forged' });
  const seen = upstream.received.at(-1);
  expect(seen?.headers).toMatchObject({
    'x-fluxgate-principal': 'zo%C3%AB%0D%0AX-Admin%3A 1',
    'x-fluxgate-scopes': 'orders:read',
    'x-user-email': 'z@example.com',
    authorization: `Bearer ${token}`,
  });
  expect(JSON.stringify(seen?.rawHeaders)).not.toContain('forged');
  expect(seen?.headers['x-admin']).toBeUndefined();
});

test('several issuers side by side, one of them found by its metadata alone; keys never cross', async () => {
  expect((await get('/partners', partner.mint())).status).toBe(200);
  expect(partner.asked).toContain('/.well-known/openid-configuration');
  expect((await get('/orders', partner.mint())).status).toBe(401);
  expect((await get('/partners', partner.mint({ iss: issuer.url }))).status).toBe(401);
  expect((await get('/partners', issuer.mint({ iss: partner.url }))).status).toBe(401);
});

test('a rotation refuses no token: new keys are asked for once, old ones end when they are no longer published', async () => {
  const statuses = new Map<number, number>();
  let stopped = false;
  const load = (async () => {
    for (let i = 0; !stopped; i += 1) {
      const { status } = await get('/orders', issuer.mint({ jti: i }), i % 2);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  })();
  await sleep(1200);
  const old = issuer.mint();
  issuer.published.push(issuer.makeKey());
  await sleep(1500);
  issuer.published.push(issuer.makeKey());
  await sleep(1500);
  stopped = true;
  await load;
  expect([...statuses.keys()]).toEqual([200]);
  expect(statuses.get(200)).toBeGreaterThan(100);
  expect((await get('/orders', old)).status).toBe(200);
  issuer.published.splice(0, 2);
  expect((await house.admin.call('POST', '/v1/jwks/refresh', {})).status).toBe(200);
  for (const node of [0, 1]) expect(await get('/orders', old, node)).toMatchObject({ status: 401, error: 'invalid_token' });
}, 30_000);

test('ids out of thin air cost the issuer one request per cool-down and node', async () => {
  await sleep(1100);
  const before = issuer.asked.length;
  const beganMs = Date.now();
  await Promise.all(Array.from({ length: 400 }, (_, i) => get('/orders', issuer.mint({}, { kid: `random-${i}` }), i % 2)));
  const allowed = 2 * Math.ceil((Date.now() - beganMs) / 1000);
  expect(issuer.asked.length - before).toBeLessThanOrEqual(allowed);
  expect((await get('/orders', issuer.mint())).status).toBe(200);
});

test('fluxctl jwks tells what every node holds, and lets them fetch anew', async () => {
  const fluxctl = async (...args: string[]): Promise<{ code: number | null; stdout: string; output: string }> => {
    const cli = startProcess(
      join(home, 'apps', 'fluxctl', 'bin', 'fluxctl.js'),
      args,
      { FLUXCTL_SERVER: house.adminUrl, FLUXCTL_TOKEN: house.admin.token, XDG_CONFIG_HOME: join(house.dir, 'config') },
      { node: process.env['FLUXGATE_TEST_NODE'] ?? process.execPath },
    );
    const { code } = await cli.exited;
    return { code, stdout: cli.stdout(), output: cli.output() };
  };
  const status = await fluxctl('jwks', 'status', '-o', 'wide');
  expect([status.code, status.stdout.match(/node-[12]/g)?.length]).toEqual([0, 4]);
  expect(status.stdout).toContain(issuer.published.at(-1)?.kid);
  const before = issuer.asked.length;
  const refreshed = await fluxctl('jwks', 'refresh', issuer.url);
  expect([refreshed.code, issuer.asked.length - before]).toEqual([0, 2]);
  expect(refreshed.output).toContain('2/2 nodes');
}, 30_000);

test('evict takes a key out of every node at once and keeps it out while it is still published', async () => {
  const token = issuer.mint();
  const kid = issuer.published.at(-1)?.kid;
  const evicted = await house.admin.call<{ items: { ok: boolean }[] }>('POST', '/v1/jwks/evict', { issuer: issuer.url, kid });
  expect(evicted.body.items.map((one) => one.ok)).toEqual([true, true]);
  for (const node of [0, 1]) expect((await get('/orders', token, node)).status).toBe(401);
  await house.admin.call('POST', '/v1/jwks/refresh', {});
  expect((await get('/orders', token)).status).toBe(401);
  expect((await jwksOf())?.blocked).toEqual([kid]);
  issuer.published.push(issuer.makeKey());
  await sleep(1100);
  expect((await get('/orders', issuer.mint())).status).toBe(200);
  const refused = await house.admin.call('POST', '/v1/jwks/evict', { issuer: 'https://nobody.example' });
  expect(JSON.stringify(refused.body)).toContain('no route of this node');
}, 30_000);

test('with the issuer gone tokens still pass, also on a node that was started without it', async () => {
  const token = issuer.mint({ exp: Math.floor(Date.now() / 1000) + 3600 });
  expect((await get('/orders', token)).status).toBe(200);
  await issuer.down();
  await house.admin.call('POST', '/v1/jwks/refresh', {});
  expect((await get('/orders', token)).status).toBe(200);
  expect((await jwksOf())?.state).toBe('fresh');
  await house.nodes[0]?.process.stop();
  await house.restartNode(0);
  await until('the restarted node serves tokens', async () => (await get('/orders', token)).status === 200, {
    deadlineMs: 10_000,
  });
  expect(await get('/orders', issuer.mint({ exp: 1 }))).toMatchObject({ status: 401, reason: 'token_expired' });
  const metrics = await (await fetch(`${house.nodes[0]?.statusUrl}/metrics`)).text();
  expect(metrics).toContain('fluxgate_jwks_');
  await issuer.up();
}, 60_000);

test('a node that never had keys answers 503, and recovers by itself', async () => {
  const asked = async (): Promise<number> => (await house.admin.call<{ items: unknown[] }>('GET', '/v1/jwks')).body.items.length;
  await until('both nodes are there', async () => (await asked()) === 2);
  await partner.down();
  await house.admin.call('POST', '/v1/jwks/evict', { issuer: partner.url });
  expect(await get('/partners', partner.mint())).toMatchObject({ status: 503, error: 'keys_unavailable' });
  await partner.up();
  await until('tokens pass again', async () => (await get('/partners', partner.mint())).status === 200, { deadlineMs: 15_000 });
}, 30_000);
