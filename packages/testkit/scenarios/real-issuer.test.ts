import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  freePort,
  type House,
  type Running,
  startHouse,
  startProcess,
  startUpstream,
  type Upstream,
  until,
} from '../src/index.ts';

/** The tokens of a certified provider (oidc-provider), found by its issuer URL alone. */

let house: House;
let upstream: Upstream;
let idp: Running;
let issuer: string;

const startIssuer = async (port: number): Promise<Running> => {
  const running = startProcess(join(import.meta.dirname, '..', 'src', 'real-issuer.mjs'), [String(port)], {});
  await until('the issuer is ready', () => running.stdout().includes('ready'), { deadlineMs: 20_000, said: running.output });
  return running;
};

async function token(scope: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`worker:${encodeURIComponent('a secret of the test only')}`).toString('base64')}`,
    },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  });
  const body = (await response.json()) as { access_token: string };
  expect(response.status).toBe(200);
  return body.access_token;
}
const get = async (path: string, bearer: string): Promise<number> => {
  const response = await fetch(`${house.nodes[0]?.url}${path}`, { headers: { authorization: `Bearer ${bearer}` } });
  await response.text();
  return response.status;
};

beforeAll(async () => {
  const port = await freePort();
  issuer = `http://127.0.0.1:${port}`;
  [upstream, idp] = await Promise.all([startUpstream(), startIssuer(port)]);
  house = await startHouse({ nodes: 1, nodeEnv: { FLUXGATE_JWKS_COOL_DOWN: '1s' } });
  const route = (path: string, more: string): string =>
    `---\nroute: ${path}\nupstream: u\nmiddleware: [{ jwt: { issuer: "${issuer}", audience: orders-api, typ: at+jwt${more} } }]\n`;
  await house.admin.apply(
    `fluxgate: {}\nupstreams: { u: { targets: ["${upstream.url}"] } }\n${route('/orders', '')}${route('/write', ', required_scopes: ["orders:write"]')}`,
  );
}, 90_000);
afterAll(async () => {
  await house?.stop();
  await idp?.stop();
  await upstream?.close();
}, 60_000);

test('its tokens pass where their scope reaches, through a rotation and with the provider gone', async () => {
  const first = await token('orders:read');
  expect([await get('/orders', first), await get('/write', first)]).toEqual([200, 403]);
  expect(upstream.received.at(-1)?.headers).toMatchObject({
    'x-fluxgate-principal': 'worker',
    'x-fluxgate-scopes': 'orders:read',
  });
  expect(await get('/write', await token('orders:read orders:write'))).toBe(200);

  await new Promise((resolve) => setTimeout(resolve, 1100));
  idp.signal('SIGUSR2');
  await until('the provider has rotated', () => idp.stdout().includes('rotated'));
  const second = await token('orders:read');
  expect(JSON.parse(Buffer.from(second.split('.')[0] ?? '', 'base64url').toString())).toMatchObject({ kid: 'idp-2' });
  expect([await get('/orders', second), await get('/orders', first)]).toEqual([200, 200]);

  await idp.kill();
  expect([await get('/orders', second), await get('/orders', first)]).toEqual([200, 200]);
}, 30_000);
