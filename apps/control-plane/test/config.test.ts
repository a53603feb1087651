import type { ConfigResult, IssuedKey, Page, Problem, RevisionView, RouteTest, RouteView } from '@fluxgate/protocol/admin';
import { buildState } from '@fluxgate/protocol/sync';
import { readPepperRing, Secret } from '@fluxgate/stores/secrets';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Plane, startPlane, type Tenant } from './harness.ts';

let plane: Plane;
beforeAll(async () => {
  plane = await startPlane();
}, 60_000);
afterAll(() => plane.close());

const base = `
fluxgate:
  auth:
    api_key: { enabled: true, header_name: "X-FluxGate-API-Key", vault_path: "secret/data/api-keys" }
upstreams:
  metrics: { targets: ["http://127.0.0.1:9000"] }
tiers:
  production: { scope: "env:production", rate: 5000/min }
---
route: /internal/gateway
upstream: metrics
---
route: /public
upstream: metrics
auth: none
`;
const state = async (tenant: Tenant) => buildState((await plane.services.db.snapshot(tenant.realm)).records);
const apply = async (tenant: Tenant, text: string, query = ''): Promise<ConfigResult> => {
  const { status, body } = await tenant.apply(text, query);
  if (status !== 200) throw new Error(`not applied: ${JSON.stringify(body)}`);
  return body as unknown as ConfigResult;
};

test('files become one revision, and nodes hold exactly what was applied', async () => {
  const tenant = await plane.newRealm();
  const result = await apply(tenant, base);
  expect(result.revision).toBe(1);
  expect(result.changes.map(({ action, kind, name }) => `${action} ${kind} ${name}`)).toEqual(
    expect.arrayContaining(['create upstream metrics', 'create route /public', 'create tier production']),
  );
  const { config, held } = await state(tenant);
  expect(held).toEqual([]);
  expect(config.routes.map(({ name }) => name).sort()).toEqual(['/internal/gateway', '/public']);
  const { items } = (await tenant.get<Page<RevisionView>>('/v1/revisions')).body;
  expect(items).toHaveLength(1);
  expect(items[0]?.summary).toContainEqual({ op: 'put', kind: 'route', id: '/public' });
});

test('applying the same again changes nothing and makes no revision', async () => {
  const tenant = await plane.newRealm();
  await apply(tenant, base);
  const again = await apply(tenant, base);
  expect([again.revision, again.changes]).toEqual([null, []]);
  const { yaml } = (await tenant.get<{ yaml: string }>('/v1/config/export')).body;
  const exported = await apply(tenant, yaml);
  expect([exported.revision, exported.changes]).toEqual([null, []]);
  expect((await plane.services.db.head(tenant.realm)).revision).toBe(1);
});

test('with one bad document among good ones nothing is applied, and every mistake is told with its place', async () => {
  const tenant = await plane.newRealm();
  await apply(tenant, base);
  const before = await plane.services.db.head(tenant.realm);
  const answer = await tenant.apply(
    `route: /good\nupstream: metrics\n---\nroute: /also-good\nupstream: metrics\n---\nroute: /bad\nupstream: metrcs\nmethodes: [GET]\n`,
  );
  expect([answer.status, answer.body.code]).toEqual([422, 'config_invalid']);
  const places = answer.body.errors
    ?.filter(({ severity }) => severity === 'error')
    .map(({ file, line, column }) => [file, line, typeof column]);
  expect(places).toContainEqual(['fluxgate.yaml', 9, 'number']);
  const after = await plane.services.db.head(tenant.realm);
  expect(after).toEqual(before);
  expect(await plane.services.db.prisma.configObject.count({ where: { realm: tenant.realm, kind: 'route' } })).toBe(2);
  expect((await tenant.get<Problem>('/v1/routes/%2Fgood')).body.code).toBe('route_not_found');
});

test('a dangling upstream and an open route are refused even though each document reads well', async () => {
  const tenant = await plane.newRealm();
  const dangling = await tenant.apply(`${base}---\nroute: /x\nupstream: nowhere\n`);
  expect(dangling.body.errors?.map(({ code }) => code)).toContain('upstream_unknown');
  const open = await tenant.apply('upstreams:\n  m: { targets: ["http://127.0.0.1:1"] }\n---\nroute: /x\nupstream: m\n');
  expect(open.body.errors?.map(({ code }) => code)).toContain('route_open');
});

test('a dry run tells the changes and applies none', async () => {
  const tenant = await plane.newRealm();
  const dry = await apply(tenant, base, '?dryRun=true');
  expect([dry.dryRun, dry.revision, dry.changes.length > 0]).toEqual([true, null, true]);
  expect((await plane.services.db.head(tenant.realm)).revision).toBe(0);
});

test('what the files do not mention stays', async () => {
  const tenant = await plane.newRealm();
  await apply(tenant, base);
  await apply(tenant, 'route: /more\nupstream: metrics\n');
  const { items } = (await tenant.get<{ items: RouteView[] }>('/v1/routes')).body;
  expect(items.map(({ name, authentication, revision }) => [name, authentication, revision])).toEqual([
    ['/internal/gateway', 'api_key', 1],
    ['/more', 'api_key', 2],
    ['/public', 'none', 1],
  ]);
});

test('two applies at the same moment are one after the other: both routes are there', async () => {
  const tenant = await plane.newRealm();
  await apply(tenant, base);
  const results = await Promise.all(['a', 'b', 'c'].map((name) => apply(tenant, `route: /${name}\nupstream: metrics\n`)));
  expect(results.map(({ revision }) => revision).sort()).toEqual([2, 3, 4]);
  expect((await state(tenant)).config.routes).toHaveLength(5);
});

test('a secret that is missing is a warning that names the entry, and goes away when it is set', async () => {
  const tenant = await plane.newRealm();
  const text = `${base}---\nroute: /app\nupstream: metrics\nmiddleware:\n  - oauth2: { issuer: "http://127.0.0.1:9200", client_id: gx, client_secret_ref: "vault:secret/data/oauth2#client_secret", redirect_uri: "https://app.example.com/callback" }\n`;
  const missing = await apply(tenant, text);
  expect(missing.warnings.map(({ code }) => code)).toContain('secret_missing');
  await tenant.put('/v1/secrets', { path: 'secret/data/oauth2', field: 'client_secret', value: 'hunter2' });
  const there = await apply(tenant, text);
  expect(there.warnings.map(({ code }) => code)).not.toContain('secret_missing');
});

test('the pepper ring follows a new vault_path, so that no key stops verifying', async () => {
  const tenant = await plane.newRealm();
  await apply(tenant, base);
  await tenant.post<IssuedKey>('/v1/keys', { name: 'k' });
  const secrets = plane.services.secretsOf(tenant.realm);
  const old = await readPepperRing(secrets, 'secret/data/api-keys');
  await apply(tenant, base.replace('secret/data/api-keys', 'secret/data/elsewhere'));
  const moved = await readPepperRing(secrets, 'secret/data/elsewhere');
  expect(moved?.peppers.get(1)).toEqual(old?.peppers.get(1));
  await secrets.set('secret/data/third', 'pepper.1', Secret.fromText(Buffer.alloc(32, 7).toString('base64')), 'somebody');
  const clash = await tenant.apply(base.replace('secret/data/api-keys', 'secret/data/third'));
  expect([clash.status, clash.body.errors?.[0]?.code]).toEqual([422, 'pepper_ring_differs']);
});

test('a configuration too large for one revision is refused whole', async () => {
  const tenant = await plane.newRealm();
  await apply(tenant, base);
  const files = ['a', 'b', 'c'].map((name) => ({
    name,
    text: Array.from({ length: 4_000 }, (_, index) => `route: /${name}${index}/${'x'.repeat(150)}\nupstream: metrics`).join(
      '\n---\n',
    ),
  }));
  const answer = await tenant.post<Problem>('/v1/config/apply', { files });
  expect([answer.status, answer.body.code]).toEqual([413, 'payload_too_large']);
  expect((await plane.services.db.head(tenant.realm)).revision).toBe(1);
}, 120_000);

test('routes test says which route wins, what it asks for, and why others lost', async () => {
  const tenant = await plane.newRealm();
  await apply(
    tenant,
    `${base}---\nroute: /internal\nupstream: metrics\nmiddleware:\n  - ip_allow: ["10.0.0.0/8"]\n  - api_key: { scopes: ["read:x"] }\n`,
  );
  const ask = async (body: object) => (await tenant.post<RouteTest>('/v1/routes/test', body)).body;
  const won = await ask({ method: 'GET', url: '/internal/gateway/deep?x=1' });
  expect(won).toMatchObject({
    route: '/internal/gateway',
    canonicalPath: '/internal/gateway/deep',
    upstream: 'metrics',
    refusal: null,
  });
  expect(won.others.map(({ route }) => route)).toContain('/internal');
  const parent = await ask({ method: 'GET', url: 'https://any.example.com/internal/x' });
  expect(parent.steps.map(({ stage, verdict }) => `${stage} ${verdict}`)).toEqual([
    'target pass',
    'match pass',
    'address needs',
    'authenticate needs',
    'forward pass',
  ]);
  expect((await ask({ method: 'GET', url: '/public' })).steps).toContainEqual(
    expect.objectContaining({ stage: 'authenticate', verdict: 'skip' }),
  );
  expect((await ask({ method: 'GET', url: '/nothing' })).refusal).toMatchObject({ code: 'no_route', status: 404 });
  expect((await ask({ method: 'GET', url: '/a%2fb' })).refusal).toMatchObject({ code: 'bad_target', status: 400 });
});
