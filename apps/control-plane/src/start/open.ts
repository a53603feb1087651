import { generateSigningKey, stateCodec } from '@fluxgate/protocol/sync';
import type { SecretStore } from '@fluxgate/stores';
import { type Database, ensureRealm, openDatabase } from '@fluxgate/stores/postgres';
import {
  defaultPrefixes,
  type Kek,
  LocalSecretStore,
  MovedSecretStore,
  type VaultClient,
  VaultSecretStore,
} from '@fluxgate/stores/secrets';
import { createTokenDigest, type TokenDigest } from '../auth/token-digest.ts';
import type { Config } from '../config.ts';
import type { Door } from '../door.ts';
import { DEFAULT_REALM } from '../realm/default-realm.ts';
import { openKek, vaultClient } from './vault.ts';

export { DEFAULT_REALM } from '../realm/default-realm.ts';

export interface Opened {
  readonly db: Database;
  readonly kek: Kek;
  readonly tokenDigest: TokenDigest;
  readonly secretsOf: (realm: string) => SecretStore;
  /** null: `vault:` references name entries of the `local` store. */
  readonly vault: VaultClient | null;
}

/** Key-encryption key and database, tables up to date. Errors: `KekRefused`, `CannotOpen`, `DatabaseUnavailable`. */
export async function open(
  config: Pick<Config, 'databaseUrl'> & Partial<Pick<Config, 'kekFile' | 'kekRef' | 'vault'>>,
  door: Door,
  onConnectionLost: (why: string) => void,
): Promise<Opened> {
  const vault = config.vault == null ? null : vaultClient(config.vault, door);
  const kek = await openKek(config, vault);
  const db = await openDatabase({ url: config.databaseUrl, codec: stateCodec, clock: door.nowMs, onConnectionLost });
  return { db, kek, tokenDigest: createTokenDigest(kek), secretsOf: secretStores(db, kek, door, vault), vault };
}

/** Vault where it is configured, with what the `local` store held before; else `local`. */
export function secretStores(db: Database, kek: Kek, door: Door, vault: VaultClient | null): (realm: string) => SecretStore {
  const stores = new Map<string, SecretStore>();
  return (realm) => {
    const known = stores.get(realm);
    if (known !== undefined) return known;
    const local = new LocalSecretStore({ prisma: db.prisma, kek, realm, clock: door.nowMs });
    const made = vault === null ? local : new MovedSecretStore(vaultStore(vault, realm, door), local);
    stores.set(realm, made);
    return made;
  };
}

function vaultStore(client: VaultClient, realm: string, door: Door): VaultSecretStore {
  return new VaultSecretStore({
    client,
    realm,
    rootRealm: DEFAULT_REALM,
    roots: defaultPrefixes(null).vault,
    clock: door.nowMs,
  });
}

/** The realm with its signing key, made on first need. Throws `SecretUnreadable` when another KEK sealed it. */
export async function openRealm({ db, kek }: Pick<Opened, 'db' | 'kek'>, door: Door, name: string): Promise<void> {
  await ensureRealm(db.prisma, name, {
    kek,
    makeSigningKey: () => generateSigningKey((count) => door.randomBytes(count)),
    clock: door.nowMs,
  });
}
