import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { secretStoreSuite } from '../../suites/secret-store.ts';
import { signerSuite } from '../../suites/signer.ts';
import { startVaultEmulator, type VaultEmulator } from '../../suites/vault-emulator.ts';
import { clientOf, hasTestVault, openTestVault, type TestVault } from '../../suites/vault-server.ts';
import { SecretUnreadable } from '../kek.ts';
import { Secret } from '../secret.ts';
import { VaultTransitSigner } from './transit-signer.ts';
import { VaultSecretStore } from './vault-store.ts';

const asVault = (emulator: VaultEmulator): TestVault => ({
  name: 'the emulator',
  address: emulator.address,
  token: emulator.rootToken,
  stop: emulator.close,
});
const kinds: [string, () => Promise<TestVault>][] = [
  ['vault, emulated', async () => asVault(await startVaultEmulator())],
  ...(hasTestVault(process.env)
    ? [['a real vault', () => openTestVault(process.env)] as [string, () => Promise<TestVault>]]
    : []),
];
const storeOf = (vault: TestVault, realm: string, rootRealm = 'live') =>
  new VaultSecretStore({ client: clientOf(vault), realm, rootRealm, roots: ['secret/data/'], clock: Date.now });

for (const [name, open] of kinds) {
  // A server may be shared: each run has realms of its own.
  const run = randomBytes(4).toString('hex');

  secretStoreSuite(name, async () => {
    const vault = await open();
    return { store: (realm) => storeOf(vault, `${run}${realm}`), close: vault.stop };
  });

  signerSuite(`Transit in ${name}`, async () => {
    const vault = await open();
    return {
      signer: (realm) => new VaultTransitSigner({ client: clientOf(vault), realm, prefix: `fluxgate${run}` }),
      close: vault.stop,
    };
  });

  describe(`documents in ${name}`, () => {
    let vault: TestVault;
    beforeAll(async () => {
      vault = await open();
    }, 90_000);
    afterAll(() => vault.stop());

    test('the first realm sees the paths as they are in Vault, and cannot name those of the others', async () => {
      const store = storeOf(vault, 'live');
      await store.set(`secret/data/${run}/oauth2`, 'client_secret', Secret.fromText('value'), 'anna');
      const answer = await clientOf(vault).request('GET', `secret/data/${run}/oauth2`);
      expect(answer.body).toMatchObject({ data: { data: { client_secret: 'value' } } });
      await storeOf(vault, `${run}b`).set('secret/data/x', 'f', Secret.fromText('other realm'), 'ben');
      await expect(store.get(`secret/data/realms/${run}b/x`, 'f')).rejects.toThrow(SecretUnreadable);
      expect((await store.list()).some(({ path }) => path.includes('realms/'))).toBe(false);
      expect(await store.list(`secret/data/${run}/`)).toMatchObject([{ field: 'client_secret', updatedBy: 'anna', version: 1 }]);
    });

    test('a document whose newest version was deleted is absent, and is written again with check-and-set', async () => {
      const store = storeOf(vault, `${run}d`);
      await store.set('secret/data/a', 'f', Secret.fromText('one'), 'x');
      await clientOf(vault).request('DELETE', `secret/data/realms/${run}d/a`);
      expect(await store.get('secret/data/a', 'f')).toBeNull();
      expect(await store.create('secret/data/a', new Map([['f', Secret.fromText('never')]]), 'x')).toBe(false);
      expect(await store.set('secret/data/a', 'f', Secret.fromText('two'), 'x')).toMatchObject({ version: 2 });
      expect((await store.get('secret/data/a', 'f'))?.reveal()).toBe('two');
    });

    test('what others wrote there is read: numbers, objects, and nothing for null', async () => {
      const path = `secret/data/realms/${run}o/a`;
      const data = { port: 5432, pair: { a: 1 }, none: null, text: 'fluxgate-base64:AAEC' };
      await clientOf(vault).request('POST', path, { data });
      const fields = await storeOf(vault, `${run}o`).document('secret/data/a');
      expect([...fields].map(([field, value]) => [field, [...value.revealBytes()].length])).toEqual(
        expect.arrayContaining([
          ['port', 4],
          ['pair', 7],
          ['text', 3],
        ]),
      );
      expect(fields.has('none')).toBe(false);
    });

    test('a removed field is gone from every version', async () => {
      const store = storeOf(vault, `${run}r`);
      await store.set('secret/data/a', 'old', Secret.fromText('to be destroyed'), 'x');
      await store.set('secret/data/a', 'kept', Secret.fromText('kept'), 'x');
      expect(await store.remove('secret/data/a', 'old')).toBe(true);
      expect((await store.get('secret/data/a', 'kept'))?.reveal()).toBe('kept');
      for (const version of [1, 2, 3]) {
        const answer = await clientOf(vault).request('GET', `secret/data/realms/${run}r/a?version=${version}`);
        expect(JSON.stringify(answer.body)).not.toContain('to be destroyed');
      }
    });
  });
}
