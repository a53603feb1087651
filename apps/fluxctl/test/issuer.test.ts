import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { operations } from '@fluxgate/protocol/admin';
import { afterEach, expect, test } from '@jest/globals';
import * as fixed from './fixtures.ts';
import { type Replies, type Stub, startStub } from './stub.ts';
import { openWorld, TOKEN, type World } from './world.ts';

let stub: Stub;
let world: World;
afterEach(async () => {
  await stub.close();
  await world.close();
});
async function given(replies: Replies): Promise<void> {
  stub = await startStub(replies);
  world = await openWorld({ FLUXCTL_SERVER: stub.url, FLUXCTL_TOKEN: TOKEN });
}
const made = { status: 201, json: fixed.issuedClient };
const create = 'clients create --name orders-worker --scope read:orders,write:orders --audience orders-api'.split(' ');

test('clients create sends what the operation accepts and puts the secret, alone, on stdout', async () => {
  await given({ 'POST /v1/clients': made });
  const ran = await world.fluxctl([...create, '--token-ttl', '5m', '--owner', 'team-a', '--introspect']);
  expect([ran.exit, ran.stdout]).toEqual([0, `${fixed.CLIENT_SECRET}\n`]);
  expect(ran.stderr).not.toContain(fixed.CLIENT_SECRET);
  const [seen] = stub.seen;
  expect(operations.clientsCreate.body.parse(seen?.body)).toMatchObject({
    name: 'orders-worker',
    authMethod: 'client_secret_basic',
    scopes: ['read:orders', 'write:orders'],
    audiences: ['orders-api'],
    tokenTtlMs: 300_000,
    owner: 'team-a',
    mayIntrospect: true,
  });
  operations.clientsCreate.query.parse(seen?.query);
  expect(seen?.headers['idempotency-key']).toMatch(/^cli-/);
});

test('a secret goes into a file of its own, and a replay says that it was given before', async () => {
  await given({
    'POST /v1/clients': made,
    'POST /v1/clients/a/rotate-secret': { status: 201, json: { ...fixed.issuedClient, secret: null, replayed: true } },
  });
  const ran = await world.fluxctl([...create, '--secret-to', 'file:client.secret']);
  expect([ran.exit, ran.stdout]).toEqual([0, '']);
  const path = join(world.home, 'client.secret');
  expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual([fixed.CLIENT_SECRET, 0o600]);
  expect((await world.fluxctl(['clients', 'rotate-secret', 'a', '--grace', '1h'])).exit).toBe(7);
  expect(stub.seen.at(-1)?.body).toEqual({ graceMs: 3_600_000 });
});

test('a private key in the file of public ones never leaves this machine', async () => {
  await given({ 'POST /v1/clients': { status: 201, json: { ...fixed.issuedClient, secret: null } } });
  const argv = ['clients', 'create', '--name', 'ci', '--auth', 'private_key_jwt', '--jwks', 'keys.json'];
  const file = join(world.home, 'keys.json');
  const write = (content: unknown) => writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  write({ keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'private' }] });
  expect((await world.fluxctl(argv)).exit).toBe(2);
  write('{"keys":');
  expect((await world.fluxctl(argv)).exit).toBe(2);
  write([]);
  expect((await world.fluxctl(argv)).exit).toBe(2);
  expect(stub.seen).toHaveLength(0);
  write({ keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] });
  expect((await world.fluxctl(argv)).exit).toBe(0);
  expect(stub.seen[0]?.body).toMatchObject({ authMethod: 'private_key_jwt', jwks: { keys: [{ kty: 'EC' }] } });
});

test('flags that do not go together, and lives out of range, are told before anything is asked', async () => {
  await given({});
  for (const more of [
    ['--auth', 'private_key_jwt'],
    ['--jwks-uri', 'https://ci.example.com/jwks'],
    ['--auth', 'private_key_jwt', '--jwks', 'a', '--jwks-uri', 'https://x'],
    ['--token-ttl', '2h'],
    ['--auth', 'none'],
  ])
    expect([more, (await world.fluxctl([...create, ...more])).exit]).toEqual([more, 2]);
  expect(stub.seen).toHaveLength(0);
});

test('clients update sends only what was named', async () => {
  await given({ 'PATCH /v1/clients/a': { json: { client: { ...fixed.issuedClient.client, enabled: false } } } });
  expect((await world.fluxctl(['clients', 'update', 'a', '--no-enabled'])).exit).toBe(0);
  await world.fluxctl(['clients', 'update', 'a', '--enabled', '--no-introspect', '--scope', 'x']);
  expect(stub.seen.map(({ body }) => body)).toEqual([{ enabled: false }, { enabled: true, mayIntrospect: false, scopes: ['x'] }]);
});

test('jwks rotate says when the new key signs; an emergency is asked about first', async () => {
  const staged = { outcome: 'staged', status: fixed.issuerStatus, warnings: [] };
  await given({
    'POST /v1/issuer/jwks/rotate': (seen) => ({
      json: { ...staged, warnings: (seen.body as { now: boolean }).now ? ['careful'] : [] },
    }),
  });
  const ran = await world.fluxctl(['jwks', 'rotate']);
  expect(ran.stderr).toContain('published k2; it signs from 2026-09-29T09:18:00Z (in 6 min) on, by itself');
  expect((await world.fluxctl(['jwks', 'rotate', '--now'])).exit).toBe(2);
  expect((await world.fluxctl(['jwks', 'rotate', '--compromised'])).exit).toBe(2);
  expect(stub.seen).toHaveLength(1);
  expect((await world.fluxctl(['jwks', 'rotate', '--now', '--yes'])).stderr).toContain('careful');
  expect(operations.jwksRotate.body.parse(stub.seen.at(-1)?.body)).toEqual({ now: true, compromised: false });
  await world.fluxctl(['jwks', 'rotate', '--dry-run']);
  expect(stub.seen.at(-1)?.query).toEqual({ dryRun: 'true' });
});
