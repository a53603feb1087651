import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IssuedKey, Key, PepperRotation, Problem, SecretsStatus } from '@fluxgate/protocol/admin';
import { buildState } from '@fluxgate/protocol/sync';
import { KekRefused, Secret } from '@fluxgate/stores/secrets';
import { startVaultEmulator, type VaultEmulator } from '@fluxgate/stores/test-vault';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { VaultConfig } from '../src/config.vault.ts';
import { finishWaitingPepper, tidyPeppers } from '../src/keys/pepper-rotation.ts';
import { openKek, vaultClient } from '../src/start/vault.ts';
import { type Plane, startPlane, type Tenant } from './harness.ts';

let vault: VaultEmulator;
let plane: Plane;
let config: VaultConfig;
beforeAll(async () => {
  vault = await startVaultEmulator();
  const login = { method: 'token', token: Secret.fromText(vault.rootToken) } as const;
  config = { address: vault.address, namespace: null, caFile: null, login, transitKey: null };
  plane = await startPlane('pglite', config);
}, 60_000);
afterAll(async () => {
  await plane.close();
  await vault.close();
});
beforeEach(() => {
  vault.mood = 'serving';
  plane.nodes.spread = { nodes: 2, reached: 2, pending: [] };
});

const rotate = (tenant: Tenant, query = '') => tenant.post<PepperRotation>(`/v1/secrets/rotate-pepper${query}`, {});
const statusOf = async (tenant: Tenant) => (await tenant.get<SecretsStatus>('/v1/secrets/status')).body;
const pepperOf = async (tenant: Tenant, kid: string) =>
  buildState((await plane.services.db.snapshot(tenant.realm)).records).keys.get(kid)?.pepperVersion;

test('the pepper ring and secrets lie in Vault, in the place of their realm, and none of it in the database', async () => {
  const tenant = await plane.newRealm();
  await tenant.post<IssuedKey>('/v1/keys', { name: 'k' });
  await tenant.put('/v1/secrets', { path: 'secret/data/oauth2', field: 'client_secret', value: 'from the provider' });
  expect(vault.kv.documents.get(`realms/${tenant.realm}/oauth2`)?.versions.at(-1)?.data).toEqual({
    client_secret: 'from the provider',
  });
  expect(vault.kv.documents.get(`realms/${tenant.realm}/api-keys`)?.versions.at(-1)?.data).toMatchObject({ current: '1' });
  expect(await plane.services.db.prisma.secret.count()).toBe(0);
});

test('a sealed or silent Vault: keys are not made, everything else goes on, and readyz, metrics and status say so', async () => {
  const tenant = await plane.newRealm();
  await tenant.post<IssuedKey>('/v1/keys', { name: 'before' });
  vault.mood = 'sealed';
  await plane.services.secretsMonitor.check();
  const refused = await tenant.post<Problem>('/v1/keys', { name: 'during' });
  expect([refused.status, refused.body.code, refused.body.hint]).toEqual([
    503,
    'pepper_missing',
    expect.stringContaining('unseal'),
  ]);
  expect((await tenant.get<Problem>('/v1/secrets')).body).toMatchObject({ code: 'secret_store_unavailable', retryable: true });
  expect((await tenant.post('/v1/keys/before/revoke', {})).status).toBe(200);
  const ready = await fetch(`${plane.url}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([200, expect.objectContaining({ secrets: 'unavailable', database: 'ok' })]);
  expect(await (await fetch(`${plane.url}/metrics`)).text()).toContain('fluxgate_secret_store_up 0');
  expect(await statusOf(tenant)).toMatchObject({
    store: 'vault',
    ok: false,
    why: expect.stringContaining('sealed'),
    pepper: null,
  });
  vault.mood = 'serving';
  expect(await statusOf(tenant)).toMatchObject({ ok: true, pepper: { current: 1, pending: null } });
  expect(await (await fetch(`${plane.url}/metrics`)).text()).toContain('fluxgate_secret_store_up 1');
  expect((await (await fetch(`${plane.url}/readyz`)).json()) as object).toMatchObject({ secrets: 'ok' });
});

test('a configuration is applied while Vault is away, with a warning for each reference that could not be checked', async () => {
  const tenant = await plane.newRealm();
  const oauth2 =
    'oauth2: { issuer: "http://127.0.0.1:9200", client_id: gx, client_secret_ref: "vault:secret/data/oauth2#client_secret", redirect_uri: "https://app.example.com/callback" }';
  const text = `upstreams:\n  up: { targets: ["http://127.0.0.1:9000"] }\n---\nroute: /app\nupstream: up\nmiddleware:\n  - ${oauth2}\n`;
  const apply = () =>
    tenant.post<{ warnings: { code: string; message: string }[] }>('/v1/config/apply', { files: [{ name: 'f.yaml', text }] });
  vault.mood = 'sealed';
  const sealed = await apply();
  vault.mood = 'serving';
  if (sealed.status !== 200) throw new Error(sealed.text);
  expect(sealed.body.warnings.find(({ code }) => code === 'secret_missing')?.message).toMatch(/cannot be checked now/);
  const missing = await apply();
  expect(missing.body.warnings.find(({ code }) => code === 'secret_missing')?.message).toMatch(/is not set/);
  await tenant.put('/v1/secrets', { path: 'secret/data/oauth2', field: 'client_secret', value: 'x' });
  expect((await apply()).body.warnings.some(({ code }) => code === 'secret_missing')).toBe(false);
});

test('rotate-pepper: new keys get the new pepper only when every live node holds it; a job finishes what waited', async () => {
  const tenant = await plane.newRealm();
  const one = (await tenant.post<IssuedKey>('/v1/keys', { name: 'one' })).body.key;
  plane.nodes.spread = { nodes: 2, reached: 1, pending: ['node-2'] };
  const waiting = (await rotate(tenant, '?wait=converged&timeout=100ms')).body;
  expect(waiting).toMatchObject({ from: 1, to: 2, state: 'waiting', spread: { pending: ['node-2'] } });
  const two = (await tenant.post<IssuedKey>('/v1/keys', { name: 'two' })).body.key;
  expect(await statusOf(tenant)).toMatchObject({ pepper: { current: 1, pending: 2, spread: { reached: 1 } } });
  expect(await finishWaitingPepper(plane.services, tenant.realm)).toBe(false);
  // Asked again, it is the same rotation.
  expect((await rotate(tenant, '?wait=converged&timeout=100ms')).body).toMatchObject({ from: 1, to: 2, state: 'waiting' });

  plane.nodes.spread = { nodes: 2, reached: 2, pending: [] };
  expect(await finishWaitingPepper(plane.services, tenant.realm)).toBe(true);
  expect(await finishWaitingPepper(plane.services, tenant.realm)).toBe(false);
  const three = (await tenant.post<IssuedKey>('/v1/keys', { name: 'three' })).body.key;
  const kid = (key: Key): string => key.versions.at(-1)?.kid ?? '';
  expect(await Promise.all([one, two, three].map((key) => pepperOf(tenant, kid(key))))).toEqual([1, 1, 2]);
  expect(await statusOf(tenant)).toMatchObject({
    pepper: {
      current: 2,
      versions: [
        { version: 1, keys: 2 },
        { version: 2, keys: 1 },
      ],
    },
  });
});

test('a pepper is destroyed in every version of the document once no key references it, and never before', async () => {
  const tenant = await plane.newRealm();
  await tenant.post<IssuedKey>('/v1/keys', { name: 'old' });
  const path = `realms/${tenant.realm}/api-keys`;
  const first = String(vault.kv.documents.get(path)?.versions.at(-1)?.data?.['pepper.1']);
  expect((await rotate(tenant)).body).toMatchObject({ to: 2, state: 'done' });
  plane.door.advance(3_600_000);
  expect(await tidyPeppers(plane.services, tenant.realm)).toEqual([]);
  await tenant.post('/v1/keys/old/revoke', {});
  // Nodes still tell its owner that it is revoked.
  expect(await tidyPeppers(plane.services, tenant.realm)).toEqual([]);
  await plane.services.db.prisma.entity.deleteMany({ where: { realm: tenant.realm, kind: 6 } });
  expect(await tidyPeppers(plane.services, tenant.realm)).toEqual([1]);
  expect(JSON.stringify(vault.kv.documents.get(path))).not.toContain(first);
  expect((await tenant.post<IssuedKey>('/v1/keys', { name: 'new' })).status).toBe(201);
  const audit = (await tenant.get<{ items: { action: string }[] }>('/v1/audit')).body.items.map(({ action }) => action);
  expect(audit).toEqual(expect.arrayContaining(['secrets.rotatePepper', 'secrets.destroyPepper']));
});

test('an empty Vault in the place of the one that keys were made with gives no new ring, but says what is missing', async () => {
  const tenant = await plane.newRealm();
  await tenant.post<IssuedKey>('/v1/keys', { name: 'k' });
  vault.kv.documents.clear();
  const refused = await tenant.post<Problem>('/v1/keys', { name: 'l' });
  expect([refused.status, refused.body.code]).toEqual([503, 'pepper_missing']);
  expect(vault.kv.documents.size).toBe(0);
});

test('the key-encryption key comes from Vault; without it the start is refused with what to do', async () => {
  const client = vaultClient(config, plane.door);
  const kekRef = 'vault:secret/data/fluxgate#kek';
  await expect(openKek({ kekRef }, client)).rejects.toThrow(/bao kv put -mount=secret fluxgate kek=/);
  await client.request('POST', 'secret/data/fluxgate', { data: { kek: Buffer.alloc(32, 3).toString('base64') } });
  const kek = await openKek({ kekRef }, client);
  const file = join(plane.dir, 'same-kek');
  writeFileSync(file, Buffer.alloc(32, 3).toString('base64'), { mode: 0o600 });
  const sealed = kek.seal(Buffer.from('x'), ['p']);
  expect(Buffer.from((await openKek({ kekFile: file }, null)).open(sealed, ['p'])).toString()).toBe('x');
  await client.request('POST', 'secret/data/fluxgate', { data: { kek: 'too short' } });
  await expect(openKek({ kekRef }, client)).rejects.toThrow(/32 bytes/);
  vault.mood = 'sealed';
  await expect(openKek({ kekRef }, client)).rejects.toThrow(KekRefused);
  await expect(openKek({ kekRef }, client)).rejects.toThrow(/sealed.*unseal it/);
});

test('no token and no value of Vault is in the log', () => {
  expect(plane.logLines.join('')).not.toMatch(/root-of-the-emulator|from the provider/);
});
