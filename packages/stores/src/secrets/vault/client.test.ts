import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SecretStoreUnavailable } from '../../ports/faults.ts';
import { type EmulatorMood, startVaultEmulator, type VaultEmulator } from '../../suites/vault-emulator.ts';
import { Secret } from '../secret.ts';
import { VaultClient, type VaultSettings } from './client.ts';
import type { VaultLogin } from './login.ts';
import { httpTransport } from './transport.ts';

let vault: VaultEmulator;
beforeEach(async () => {
  vault = await startVaultEmulator();
});
afterEach(() => vault.close());

const approle = (): VaultLogin => ({
  method: 'approle',
  mount: 'approle',
  roleId: vault.roleId,
  readSecretId: () => Secret.fromText(`${vault.secretId}\n`),
});
const root = (): VaultLogin => ({ method: 'token', read: () => Secret.fromText(vault.rootToken) });

function open(login: VaultLogin, more: Partial<VaultSettings> = {}) {
  let skewMs = 0;
  const client = new VaultClient(
    { address: vault.address, namespace: null, login, timeoutMs: 400, ...more },
    {
      transport: httpTransport({ ca: null }),
      clock: () => Date.now() + skewMs,
      chance: () => 0.5,
      sleep: async () => undefined,
    },
  );
  const advance = (ms: number): void => {
    skewMs += ms;
  };
  return { client, advance };
}
const lines = (text: string): number => vault.requests.filter(({ line }) => line === text).length;
const read = (client: VaultClient) => client.request('GET', 'secret/data/a');
const write = (client: VaultClient) => client.request('POST', 'secret/data/a', { data: { f: 'v' } });

describe('logging in', () => {
  test('by token, AppRole and Kubernetes; the namespace and the token go with every request', async () => {
    const kubernetes: VaultLogin = {
      method: 'kubernetes',
      mount: 'kubernetes',
      role: 'fluxgate',
      readJwt: () => Secret.fromText('jwt-of-the-pod'),
    };
    for (const login of [root(), approle(), kubernetes])
      expect((await read(open(login, { namespace: 'team/a' }).client)).status).toBe(404);
    const reads = vault.requests.filter(({ line }) => line === 'GET secret/data/a');
    expect(reads.map(({ namespace }) => namespace)).toEqual(['team/a', 'team/a', 'team/a']);
    expect(new Set(reads.map(({ token }) => token)).size).toBe(3);
  });

  test('fifty requests at once log in once, and a token is used as long as it lives', async () => {
    const { client } = open(approle());
    await Promise.all(Array.from({ length: 50 }, () => read(client)));
    expect(lines('POST auth/approle/login')).toBe(1);
  });

  test('a token is renewed at about two thirds of its life, and followed by a login when it cannot be prolonged any more', async () => {
    vault.ttlS = 60;
    vault.maxTtlS = 60;
    const { client, advance } = open(approle());
    await read(client);
    advance(30_000);
    await client.tend();
    expect(lines('POST auth/token/renew-self')).toBe(0);
    advance(11_000);
    vault.maxTtlS = 3600;
    await client.tend();
    expect([lines('POST auth/token/renew-self'), lines('POST auth/approle/login')]).toEqual([1, 1]);
    vault.maxTtlS = 5; // at the end of its days Vault grants less and less
    advance(41_000);
    await client.tend();
    expect([lines('POST auth/token/renew-self'), lines('POST auth/approle/login')]).toEqual([2, 2]);
  });

  test('a token that was revoked under way costs one login and no failed request', async () => {
    const { client, advance } = open(approle());
    await read(client);
    advance(10_000);
    vault.revokeAll();
    await Promise.all(Array.from({ length: 10 }, () => write(client)));
    expect(lines('POST auth/approle/login')).toBe(2);
  });

  test('a policy that refuses is said as such, without logging in again and again', async () => {
    vault.denied.add('secret/data/a');
    const { client, advance } = open(approle());
    for (let i = 0; i < 5; i += 1) await expect(read(client)).rejects.toMatchObject({ outage: 'denied' });
    expect(lines('POST auth/approle/login')).toBe(1);
    advance(10_000);
    for (let i = 0; i < 5; i += 1) await expect(read(client)).rejects.toMatchObject({ outage: 'denied' });
    expect(lines('POST auth/approle/login')).toBe(2);
  });

  test('a login that is refused is not repeated at once, and works again when its proof does', async () => {
    const good = vault.secretId;
    vault.secretId = 'another';
    const wrong: VaultLogin = {
      method: 'approle',
      mount: 'approle',
      roleId: vault.roleId,
      readSecretId: () => Secret.fromText(good),
    };
    const refused = open(wrong);
    for (let i = 0; i < 4; i += 1) await expect(read(refused.client)).rejects.toMatchObject({ outage: 'denied' });
    expect(lines('POST auth/approle/login')).toBe(1);
    vault.secretId = good;
    refused.advance(3_000);
    expect((await read(refused.client)).status).toBe(404);
  });

  test('a proof that cannot be read is an outage with a remedy, not a crash', async () => {
    const gone: VaultLogin = {
      method: 'token',
      read: () => {
        throw Object.assign(new Error('no such file /secret/place'), { code: 'ENOENT' });
      },
    };
    await expect(read(open(gone).client)).rejects.toThrow(/VAULT_TOKEN cannot be read \(ENOENT\)/);
  });
});

describe('a vault that does not serve', () => {
  test.each([
    ['sealed', 'sealed'],
    ['standby', 'standby'],
    ['recovery', 'standby'],
    ['busy', 'busy'],
    ['failing', 'failed'],
    ['page', 'failed'],
    ['silent', 'timeout'],
  ] as [EmulatorMood, string][])('%s: reads and writes say so with a remedy, within bounds', async (mood, outage) => {
    const { client } = open(root());
    await read(client);
    vault.mood = mood;
    const before = vault.requests.length;
    for (const ask of [read, write]) {
      const error = await ask(client).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(SecretStoreUnavailable);
      expect(error).toMatchObject({ outage, remedy: expect.stringMatching(/\w/) });
    }
    expect(vault.requests.slice(before).filter(({ line }) => line.startsWith('POST')).length).toBe(1);
    expect(vault.requests.length - before).toBeLessThanOrEqual(4);
    vault.mood = 'serving';
    expect((await read(client)).status).toBe(404);
  });

  test('a read survives one bad answer; a write whose line breaks is told as unknown', async () => {
    vault.mood = 'failing';
    setTimeout(() => {
      vault.mood = 'serving';
    }, 30);
    const slow = open(root());
    const patient = new VaultClient(
      { address: vault.address, namespace: null, login: root(), timeoutMs: 400 },
      {
        transport: httpTransport({ ca: null }),
        clock: Date.now,
        chance: () => 0.9,
        sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      },
    );
    expect((await read(patient)).status).toBe(404);
    await read(slow.client);
    vault.mood = 'silent';
    await expect(write(slow.client)).rejects.toMatchObject({ outage: 'timeout', outcome: 'unknown' });
    await vault.close();
    await expect(write(open(root()).client)).rejects.toMatchObject({ outage: 'unreachable', outcome: 'not_done' });
  });

  test('health tells sealed, away, refused and well apart', async () => {
    const { client } = open(root());
    expect(await client.health()).toEqual({ ok: true, version: 'emulator' });
    vault.mood = 'sealed';
    expect(await client.health()).toMatchObject({ ok: false, error: { outage: 'sealed' } });
    vault.mood = 'serving';
    const stranger: VaultLogin = { method: 'token', read: () => Secret.fromText('unknown') };
    expect(await open(stranger).client.health()).toMatchObject({ ok: false, error: { outage: 'denied' } });
    await vault.close();
    expect(await client.health()).toMatchObject({ ok: false, error: { outage: 'unreachable' } });
  });

  test('a standby’s redirect is followed once, within the same scheme only', async () => {
    const active = await startVaultEmulator();
    vault.redirectTo = active.address;
    const login: VaultLogin = { method: 'token', read: () => Secret.fromText(active.rootToken) };
    expect((await read(open(login).client)).status).toBe(404);
    for (const target of ['https://127.0.0.1:1', vault.address, 'http://user@127.0.0.1:1', 'not a url at all:::']) {
      active.redirectTo = target;
      await expect(read(open(login).client)).rejects.toMatchObject({ outage: 'standby' });
    }
    await active.close();
  });
});

test('no token, role or value is in what the client throws or shows', async () => {
  const { client } = open(approle());
  await write(client);
  const errors: unknown[] = [];
  for (const mood of ['sealed', 'busy', 'silent', 'page'] as const) {
    vault.mood = mood;
    await client.request('POST', 'secret/data/a', { data: { f: 'hidden-value' } }).catch((error: unknown) => errors.push(error));
  }
  const shown = [client, ...errors].map((one) => inspect(one, { depth: 10, showHidden: true }) + JSON.stringify(one)).join('');
  expect(errors).toHaveLength(4);
  expect(shown).not.toMatch(/hvs\.|hidden-value|secret-1|role-1/);
});
