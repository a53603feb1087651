import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse as parseYaml } from 'yaml';
import { SPECS } from '../src/specs/index.ts';
import * as fixed from './fixtures.ts';
import { type Replies, type Stub, startStub } from './stub.ts';
import { openWorld, TOKEN, type World } from './world.ts';

/** Every command once, in every format, with nothing but a server and a token in the environment. */
const list = (...items: unknown[]) => ({ json: { items, nextCursor: null } });
const written = { revision: 813, convergence: { ...fixed.converged, revision: 813 } };
const client = fixed.oauth2Updated.client;
const entry = { path: 'secret/data/a', field: 'b', version: 1, updatedAt: '2026-09-29T09:12:00Z', updatedBy: 'ana' };
const route = {
  name: '/x',
  prefix: '/x',
  host: null,
  methods: null,
  upstream: 'metrics',
  authentication: 'api_key',
  refuses: null,
  spec: { middleware: [] },
  labels: {},
  owner: null,
  revision: 812,
};
const usage = {
  keyId: fixed.key.id,
  keyName: fixed.key.name,
  quota: { limit: 50_000, window: '2026-09-29', used: 1, allotted: 100, remaining: 49_999, resetsAt: '2026-09-30T00:00:00Z' },
  days: [{ day: '2026-09-29', allowed: 1, refused: 0 }],
  versions: [],
};
const event = {
  seq: 1,
  at: '2026-09-29T09:12:00Z',
  actor: 'ana',
  role: 'operator',
  action: 'keys.rotate',
  target: 'key/a',
  outcome: 'ok',
  address: null,
  requestId: 'req_1',
  revision: 812,
  before: null,
  after: null,
};
const set = {
  issuer: 'https://auth.example.com',
  jwks_uri: 'https://auth.example.com/jwks',
  state: 'fresh',
  keys: [{ kid: 'k', type: 'RSA', alg: 'RS256' }],
  blocked: [],
  ignored: [],
  fetched_at: '2026-09-29T09:12:00Z',
  next_fetch_at: '2026-09-29T09:16:00Z',
  usable_until: '2026-09-30T09:12:00Z',
  failures: 0,
  trouble: null,
};
const empty = { ...set, issuer: 'https://down.example', state: 'empty', keys: [], fetched_at: null, trouble: 'HTTP status 500' };
const jwks = { items: [{ node: 'gateway-1', ok: true, why: null, sets: [set, empty] }], unreached: [] };
const replies: Replies = {
  'GET /v1/whoami': { json: fixed.whoami },
  'POST /v1/keys': { status: 201, json: fixed.issued },
  'GET /v1/keys': list(fixed.dueKey),
  'GET /v1/keys/a': { json: fixed.key },
  'PATCH /v1/keys/a': { json: { ...written, key: fixed.key } },
  'POST /v1/keys/a/renew': { json: { ...written, key: fixed.key } },
  'POST /v1/keys/a/revoke': { json: { ...written, key: { ...fixed.key, state: 'revoked' } } },
  'GET /v1/keys/a/usage': { json: usage },
  'POST /v1/keys/a/rotate': { status: 201, json: fixed.rotated },
  'POST /v1/keys/analytics-service/rotate': { status: 201, json: fixed.rotated },
  'GET /v1/rotations': list(fixed.rotation),
  'GET /v1/rotations/r': { json: fixed.rotation },
  'POST /v1/rotations/r/finish': { json: { ...written, rotation: fixed.rotation } },
  'POST /v1/rotations/r/abort': { json: { ...written, rotation: fixed.rotation } },
  'PUT /v1/secrets': { json: { entry } },
  'GET /v1/secrets': list(entry),
  'GET /v1/secrets/status': { json: fixed.sealed },
  'POST /v1/secrets/rotate-pepper': { json: fixed.pepperWaiting },
  'GET /v1/nodes': { json: fixed.nodes },
  'GET /v1/jwks': { json: jwks },
  'POST /v1/jwks/refresh': { json: jwks },
  'POST /v1/jwks/evict': { json: { ...jwks, unreached: ['gateway-3'] } },
  'GET /v1/revisions/812/convergence': { json: fixed.converged },
  'POST /v1/nodes/tokens': { status: 201, json: fixed.issuedToken },
  'GET /v1/nodes/tokens': { json: { items: [fixed.issuedToken.view] } },
  'DELETE /v1/nodes/tokens/kid': { json: { view: fixed.issuedToken.view } },
  'POST /v1/tokens': { status: 201, json: fixed.issuedToken },
  'GET /v1/tokens': { json: { items: [fixed.issuedToken.view] } },
  'DELETE /v1/tokens/kid': { json: { view: fixed.issuedToken.view } },
  'POST /v1/config/apply': { json: fixed.applied },
  'GET /v1/config/export': { json: { revision: 812, yaml: 'version: 1\n' } },
  'GET /v1/routes': { json: { items: [route] } },
  'GET /v1/routes//x': { json: route },
  'POST /v1/routes/test': { json: fixed.routeTest },
  'POST /v1/auth/verify': { json: fixed.report },
  'PUT /v1/oauth2/clients/c': { json: fixed.oauth2Updated },
  'GET /v1/oauth2/clients': { json: { items: [client] } },
  'GET /v1/oauth2/clients/c': { json: client },
  'DELETE /v1/oauth2/clients/c': { json: written },
  'POST /v1/clients': { status: 201, json: fixed.issuedClient },
  'GET /v1/clients': list(fixed.issuedClient.client),
  'GET /v1/clients/orders-worker': { json: fixed.issuedClient.client },
  'PATCH /v1/clients/orders-worker': { json: { client: fixed.issuedClient.client } },
  'POST /v1/clients/orders-worker/rotate-secret': { status: 201, json: fixed.issuedClient },
  'DELETE /v1/clients/orders-worker': { json: { client: fixed.issuedClient.client } },
  'GET /v1/issuer/jwks': { json: fixed.issuerStatus },
  'POST /v1/issuer/jwks/rotate': { json: { outcome: 'staged', status: fixed.issuerStatus, warnings: [] } },
  'GET /v1/revisions': list({ revision: 812, committedAt: '2026-09-29T09:12:00Z', actor: 'ana', urgent: false, summary: [] }),
  'GET /v1/audit': list(event),
};

/** Command line → exit code. */
const LINES: readonly (readonly [string, number])[] = [
  ['keys generate --name a', 0],
  ['keys list', 0],
  ['keys get a', 0],
  ['keys update a --scope x', 0],
  ['keys renew a', 0],
  ['keys revoke a --yes', 0],
  ['keys usage a', 0],
  ['keys rotate', 0],
  ['keys rotations list', 0],
  ['keys rotations status r', 0],
  ['keys rotations finish r --yes', 0],
  ['keys rotations abort r --yes', 0],
  ['validate -f good.yaml', 0],
  ['apply -f good.yaml', 0],
  ['export', 0],
  ['revisions list', 0],
  ['audit list', 0],
  ['jwks status', 3],
  ['jwks refresh https://auth.example.com', 3],
  ['jwks evict https://auth.example.com --kid k --yes', 11],
  ['nodes list', 0],
  ['nodes status', 0],
  ['nodes token create --name n', 0],
  ['nodes token list', 0],
  ['nodes token revoke kid --yes', 0],
  ['routes list', 0],
  ['routes get /x', 0],
  ['routes test GET /x --expect route=/nope', 3],
  ['secrets set secret/data/a#b --from-stdin', 0],
  ['secrets list', 0],
  ['secrets status', 3],
  ['secrets rotate-pepper', 8],
  ['auth status', 0],
  ['auth verify --endpoint /x --mode strict', 3],
  ['oauth2 configure --client-id c --scope x', 0],
  ['oauth2 list', 0],
  ['oauth2 get c', 0],
  ['oauth2 delete c --yes', 0],
  ['clients create --name orders-worker --scope read:orders --audience orders-api', 0],
  ['clients list', 0],
  ['clients get orders-worker', 0],
  ['clients update orders-worker --no-enabled', 0],
  ['clients rotate-secret orders-worker', 0],
  ['clients delete orders-worker --yes', 0],
  ['jwks rotate', 0],
  ['jwks keys', 0],
  ['tokens create --name t --role viewer', 0],
  ['tokens list', 0],
  ['tokens revoke kid --yes', 0],
  ['version', 0],
  ['completion bash', 0],
];
const LOCAL: readonly (readonly [string, number])[] = [
  ['auth login --token-stdin', 0],
  ['context add one --server https://one.example', 0],
  ['context list', 0],
  ['context use one', 0],
  ['context show', 0],
  ['auth logout --context one', 0],
  ['context remove one', 0],
];

/** `sign` prints another nonce each time; it has a suite of its own. */
const APART: ReadonlySet<string> = new Set(['help', 'sign']);

let stub: Stub;
let world: World;
beforeAll(async () => {
  stub = await startStub(replies);
  world = await openWorld({ FLUXCTL_SERVER: stub.url, FLUXCTL_TOKEN: TOKEN });
  writeFileSync(join(world.home, 'good.yaml'), 'route: /x\nupstream: http://127.0.0.1:9000\nauth: none\n');
  writeFileSync(join(world.home, 'broken.yaml'), 'contexts: [');
});
afterAll(async () => {
  await stub.close();
  await world.close();
});

test('the matrix holds every command', () => {
  const named = [...LINES, ...LOCAL].map(([line]) => line);
  for (const spec of SPECS.filter((one) => !APART.has(one.path[0] ?? '')))
    expect([spec.path.join(' '), named.some((line) => `${line} `.startsWith(`${spec.path.join(' ')} `))]).toEqual([
      spec.path.join(' '),
      true,
    ]);
});

const formats = async (line: string, exit: number, env: Record<string, string>): Promise<void> => {
  const run = (...more: string[]) => world.fluxctl([...line.split(' '), ...more], { env, stdin: TOKEN });
  const table = await run();
  expect([line, table.exit, table.stderr.includes('fault in fluxctl')]).toEqual([line, exit, false]);
  const json = await run('-o', 'json');
  const document: unknown = JSON.parse(json.stdout);
  expect([json.exit, json.stderr]).toEqual([exit, '']);
  const yaml = await run('-o', 'yaml');
  expect([yaml.exit, parseYaml(yaml.stdout)]).toEqual([exit, document]);
  const name = await run('-o', 'name');
  // A name alone would lose the secret that such a command makes.
  const mints = /^(keys generate|keys rotate|nodes token create|tokens create|clients create|clients rotate-secret)\b/.test(line);
  expect([name.exit, name.stdout]).toEqual([mints ? 2 : exit, mints ? '' : expect.stringMatching(/^(\S+\n)*$/)]);
  expect((await run('-o', 'wide')).exit).toBe(exit);
  const quiet = await run('-q');
  expect([quiet.exit, quiet.stdout]).toEqual([exit, table.stdout]);
  for (const ran of [table, json, yaml, name, quiet]) {
    expect(ran.stdout + ran.stderr).not.toContain(TOKEN);
    expect(ran.stdout).not.toMatch(/^(error:|✓|✗|! )/m);
  }
};

describe('the same outcome in every format, documents that parse, no configuration file read', () => {
  test.each(LINES)('fluxctl %s → %i', async (line, exit) => {
    await formats(line, exit, { FLUXCTL_CONFIG: join(world.home, 'broken.yaml') });
  });
});

describe('commands about fluxctl itself', () => {
  test.each(LOCAL)('fluxctl %s → %i', async (line, exit) => {
    const [name] = /one/.exec(line) ?? [null];
    if (name !== null && !line.startsWith('context add'))
      await world.fluxctl(['context', 'add', 'one', '--server', 'https://one.example', '--use']);
    if (line === 'context remove one') {
      expect((await world.fluxctl(line.split(' '))).exit).toBe(exit);
      expect((await world.fluxctl(line.split(' '))).exit).toBe(6);
    } else await formats(line, exit, {});
  });
});
