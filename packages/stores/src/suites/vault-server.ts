import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Secret } from '../secrets/secret.ts';
import { VaultClient } from '../secrets/vault/client.ts';
import { httpTransport } from '../secrets/vault/transport.ts';

/** A real Vault or OpenBao with KV version 2 at `secret/` and Transit at `transit/`. */
export interface TestVault {
  readonly name: string;
  readonly address: string;
  readonly token: string;
  stop(): Promise<void>;
}

export function clientOf(vault: Pick<TestVault, 'address' | 'token'>, timeoutMs = 10_000): VaultClient {
  return new VaultClient(
    { address: vault.address, namespace: null, login: { method: 'token', read: () => Secret.fromText(vault.token) }, timeoutMs },
    {
      transport: httpTransport({ ca: null }),
      clock: Date.now,
      chance: Math.random,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    },
  );
}

const binary = (env: NodeJS.ProcessEnv): string | null =>
  (env['PATH'] ?? '')
    .split(delimiter)
    .filter((directory) => directory !== '')
    .flatMap((directory) => [join(directory, 'bao'), join(directory, 'vault')])
    .find(existsSync) ?? null;

/** True: `openTestVault` has one to give. `FLUXGATE_TEST_REQUIRE=vault` makes its absence a fault. */
export function hasTestVault(env: NodeJS.ProcessEnv): boolean {
  const found = (env['FLUXGATE_TEST_VAULT_ADDR'] ?? '') !== '' || binary(env) !== null;
  if (!found && (env['FLUXGATE_TEST_REQUIRE'] ?? '').split(',').includes('vault'))
    throw new Error('FLUXGATE_TEST_REQUIRE names vault, but there is neither FLUXGATE_TEST_VAULT_ADDR nor bao or vault on PATH');
  return found;
}

/** The one named by `FLUXGATE_TEST_VAULT_ADDR` and `_TOKEN`, or `bao`/`vault server -dev` on a private port. */
export async function openTestVault(env: NodeJS.ProcessEnv): Promise<TestVault> {
  const given = env['FLUXGATE_TEST_VAULT_ADDR'] ?? '';
  const token = env['FLUXGATE_TEST_VAULT_TOKEN'] ?? '';
  const vault =
    given === ''
      ? await startDevServer(binary(env) ?? '')
      : { name: `the server at ${given}`, address: given, token, stop: async () => undefined };
  const mounted = await clientOf(vault).request('POST', 'sys/mounts/transit', { type: 'transit' });
  if (mounted.status >= 300 && !mounted.errors.some((error) => /already in use/i.test(error))) {
    await vault.stop();
    throw new Error(`transit cannot be mounted: ${mounted.errors.join('; ')}`);
  }
  return vault;
}

async function startDevServer(program: string): Promise<TestVault> {
  const home = mkdtempSync(join(tmpdir(), 'fluxgate-vault-'));
  const token = `test-${randomBytes(12).toString('hex')}`;
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const args = ['server', '-dev', `-dev-listen-address=127.0.0.1:${port}`, `-dev-root-token-id=${token}`, '-dev-no-store-token'];
  const child = spawn(program, args, { cwd: home, env: { PATH: process.env['PATH'], HOME: home }, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(hard);
    rmSync(home, { recursive: true, force: true });
  };
  const untilMs = Date.now() + 60_000;
  while (child.exitCode === null && Date.now() < untilMs) {
    // The dev server mounts secret/ after it answers.
    const ready = await clientOf({ address, token })
      .request('GET', 'secret/config')
      .then(
        ({ status }) => status === 200,
        () => false,
      );
    if (ready) return { name: `${program.split('/').at(-1)} server -dev`, address, token, stop };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await stop();
  throw new Error(`${program} server -dev does not start`);
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
