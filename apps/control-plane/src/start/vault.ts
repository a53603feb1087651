import { readFileSync } from 'node:fs';
import { SecretStoreUnavailable } from '@fluxgate/stores';
import {
  httpTransport,
  type Kek,
  KekRefused,
  KvStore,
  kekOf,
  loadKek,
  Secret,
  VaultClient,
  type VaultLogin,
} from '@fluxgate/stores/secrets';
import type { Config } from '../config.ts';
import type { VaultConfig } from '../config.vault.ts';
import type { Door } from '../door.ts';

const secretFile = (file: string): Secret => Secret.fromText(readFileSync(file, 'utf8').trim());

function loginOf({ login }: VaultConfig): VaultLogin {
  switch (login.method) {
    case 'token':
      return { method: 'token', read: () => login.token };
    case 'token_file':
      return { method: 'token', read: () => secretFile(login.file) };
    case 'approle':
      return { ...login, readSecretId: () => secretFile(login.secretIdFile) };
    case 'kubernetes':
      return { ...login, readJwt: () => secretFile(login.tokenFile) };
  }
}

/** Does no I/O but reading the CA file: Vault may be away at start. Throws `KekRefused` when that file cannot be read. */
export function vaultClient(config: VaultConfig, door: Door): VaultClient {
  let ca: string | null = null;
  try {
    ca = config.caFile === null ? null : readFileSync(config.caFile, 'utf8');
  } catch (error) {
    throw new KekRefused(
      `VAULT_CACERT ${config.caFile} cannot be read (${(error as NodeJS.ErrnoException).code}): name a readable PEM file`,
    );
  }
  return new VaultClient(
    { address: config.address, namespace: config.namespace, login: loginOf(config) },
    {
      transport: httpTransport({ ca }),
      clock: door.nowMs,
      chance: () => door.randomBytes(4).readUInt32LE() / 2 ** 32,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    },
  );
}

/** From its file, or once from Vault: without it nothing can be opened, so a start while Vault is away fails and says so. */
export async function openKek(config: Partial<Pick<Config, 'kekFile' | 'kekRef'>>, vault: VaultClient | null): Promise<Kek> {
  if (config.kekFile != null) return loadKek(config.kekFile);
  const [, path = '', field = ''] = /^vault:(.+)#(.+)$/.exec(config.kekRef ?? '') ?? [];
  const source = `FLUXGATE_KEK_REF ${config.kekRef}`;
  if (vault === null) throw new KekRefused(`${source} needs VAULT_ADDR`);
  try {
    const value = (await new KvStore(vault).read(path)).fields.get(field);
    if (value !== undefined) return kekOf(value.reveal(), source);
  } catch (error) {
    if (!(error instanceof SecretStoreUnavailable)) throw error;
    throw new KekRefused(`${source}: ${error.message}: ${error.remedy}`);
  }
  const mount = path.replace(/\/data\/.*/s, '');
  const name = path.replace(/^.+?\/data\//s, '');
  throw new KekRefused(
    `${source} is not there: make it once with \`bao kv put -mount=${mount} ${name} ${field}="$(openssl rand -base64 32)"\`, and keep a copy apart`,
  );
}
