import { expect, test } from '@jest/globals';
import { startVaultEmulator } from '../suites/vault-emulator.ts';
import { clientOf } from '../suites/vault-server.ts';
import { MovedSecretStore } from './moved-store.ts';
import { ensurePepperRing } from './pepper-ring.ts';
import { Secret } from './secret.ts';
import { VaultSecretStore } from './vault/vault-store.ts';

const entries = (documents: Record<string, Record<string, string>>) => ({
  list: async () =>
    Object.entries(documents).flatMap(([path, fields]) =>
      Object.keys(fields).map((field) => ({ path, field, version: 1, updatedAtMs: 0, updatedBy: 'x' })),
    ),
  document: async (path: string) =>
    new Map(Object.entries(documents[path] ?? {}).map(([field, value]) => [field, Secret.fromText(value)])),
});
const pepper = (byte: number): string => Buffer.alloc(32, byte).toString('base64');
const ring = { 'secret/data/api-keys': { 'pepper.1': pepper(1), current: '1' } };

test('a deployment that begins to use Vault keeps its pepper ring and its secrets; what Vault has already stays', async () => {
  const vault = await startVaultEmulator();
  const client = clientOf({ address: vault.address, token: vault.rootToken });
  const options = { client, realm: 'live', rootRealm: 'live', roots: ['secret/data/'], clock: Date.now };
  const target = new VaultSecretStore(options);
  await target.set('secret/data/oauth2', 'client_secret', Secret.fromText('from Vault'), 'x');
  const origin = entries({ ...ring, 'secret/data/oauth2': { client_secret: 'old' }, 'secret/data/db': { password: 'p' } });
  // Two control planes at once.
  const stores = [new MovedSecretStore(target, origin), new MovedSecretStore(new VaultSecretStore(options), origin)];
  const rings = await Promise.all(stores.map((store) => ensurePepperRing(store, 'secret/data/api-keys', { by: 'cp' })));
  for (const { peppers } of rings) expect(Buffer.from(peppers.get(1) ?? []).toString('base64')).toBe(pepper(1));
  expect((await target.get('secret/data/db', 'password'))?.reveal()).toBe('p');
  expect((await target.get('secret/data/oauth2', 'client_secret'))?.reveal()).toBe('from Vault');
  await vault.close();
});

test('while Vault is away nothing is read or made anywhere, and another ring there is refused, not used', async () => {
  const vault = await startVaultEmulator();
  const client = clientOf({ address: vault.address, token: vault.rootToken });
  const options = { client, realm: 'live', rootRealm: 'live', roots: ['secret/data/'], clock: Date.now };
  const target = new VaultSecretStore(options);
  const store = new MovedSecretStore(target, entries(ring));
  vault.mood = 'sealed';
  await expect(store.get('secret/data/api-keys', 'current')).rejects.toThrow(/sealed/);
  vault.mood = 'serving';
  await ensurePepperRing(target, 'secret/data/api-keys', { by: 'somebody' });
  await expect(store.document('secret/data/api-keys')).rejects.toThrow(/another pepper ring/);
  await vault.close();
});
