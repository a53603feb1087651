import { createPublicKey, verify } from 'node:crypto';
import { startVaultEmulator } from '@fluxgate/stores/test-vault';
import { afterEach, expect, test } from '@jest/globals';
import { startHouse } from '../src/index.ts';
import { strongest } from './engines.ts';

let cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.reverse()) await step();
  cleanup = [];
}, 60_000);

interface Jwk {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

test('with Transit configured tokens are signed in Vault, and the database holds no signing key, not even a sealed one', async () => {
  const database = await strongest.open();
  const vault = await startVaultEmulator();
  const house = await startHouse({
    nodes: 0,
    ...(database.databaseUrl === undefined ? {} : { databaseUrl: database.databaseUrl }),
    controlPlaneEnv: { VAULT_ADDR: vault.address, VAULT_TOKEN: vault.rootToken, FLUXGATE_VAULT_TRANSIT_KEY: 'fluxgate' },
  });
  cleanup = [database.drop, vault.close, house.stop];
  const made = await house.admin.call<{ client: { clientId: string }; secret: string }>('POST', '/v1/clients', {
    name: 'orders-worker',
    scopes: ['read:orders'],
    audiences: ['orders-api'],
  });
  const { client, secret } = made.body;
  const ask = () =>
    fetch(`${house.adminUrl}/oauth2/token`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${client.clientId}:${secret}`).toString('base64')}`,
      },
      body: 'grant_type=client_credentials',
    });
  const reply = await ask();
  const { access_token: token } = (await reply.json()) as { access_token: string };
  expect(reply.status).toBe(200);
  const [header = '', payload = '', signature = ''] = token.split('.');
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string };
  const { keys } = (await (await fetch(`${house.adminUrl}/oauth2/jwks`)).json()) as { keys: Jwk[] };
  const published = keys.find((key) => key.kid === kid);
  const { kty = '', crv = '', x = '', y = '' } = published ?? {};
  const key = createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' });
  const input = Buffer.from(`${header}.${payload}`);
  expect(verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))).toBe(true);
  expect([...vault.transit.keys.keys()]).toContain(`fluxgate-live-${kid}`);
  // Vault sees digests, never claims.
  expect(vault.requests.some(({ line }) => line.startsWith(`POST transit/sign/fluxgate-live-${kid}`))).toBe(true);
  if (database.query !== undefined) expect(await database.query('SELECT kid FROM signing_key')).toEqual([]);

  vault.mood = 'sealed';
  const refused = await ask();
  expect(refused.status).toBe(503);
  expect(((await (await fetch(`${house.adminUrl}/oauth2/jwks`)).json()) as { keys: Jwk[] }).keys.map((one) => one.kid)).toContain(
    kid,
  );
  vault.mood = 'serving';
  expect((await ask()).status).toBe(200);
}, 90_000);
