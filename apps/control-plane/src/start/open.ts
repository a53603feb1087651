import { generateSigningKey, stateCodec } from '@fluxgate/protocol/sync';
import type { SecretStore } from '@fluxgate/stores';
import { type Database, ensureRealm, openDatabase } from '@fluxgate/stores/postgres';
import { type Kek, LocalSecretStore, loadKek } from '@fluxgate/stores/secrets';
import { createTokenDigest, type TokenDigest } from '../auth/token-digest.ts';
import type { Config } from '../config.ts';
import type { Door } from '../door.ts';

export { DEFAULT_REALM } from '../realm/default-realm.ts';

export interface Opened {
  readonly db: Database;
  readonly kek: Kek;
  readonly tokenDigest: TokenDigest;
  readonly secretsOf: (realm: string) => SecretStore;
}

/** Key-encryption key and database, tables up to date. Errors: `KekRefused`, `CannotOpen`, `DatabaseUnavailable`. */
export async function open(
  config: Pick<Config, 'databaseUrl' | 'kekFile'>,
  door: Door,
  onConnectionLost: (why: string) => void,
): Promise<Opened> {
  const kek = loadKek(config.kekFile);
  const db = await openDatabase({ url: config.databaseUrl, codec: stateCodec, clock: door.nowMs, onConnectionLost });
  return { db, kek, tokenDigest: createTokenDigest(kek), secretsOf: secretStores(db, kek, door) };
}

export function secretStores(db: Database, kek: Kek, door: Door): (realm: string) => SecretStore {
  const stores = new Map<string, SecretStore>();
  return (realm) => {
    const known = stores.get(realm) ?? new LocalSecretStore({ prisma: db.prisma, kek, realm, clock: door.nowMs });
    stores.set(realm, known);
    return known;
  };
}

/** The realm with its signing key, made on first need. Throws `SecretUnreadable` when another KEK sealed it. */
export async function openRealm({ db, kek }: Pick<Opened, 'db' | 'kek'>, door: Door, name: string): Promise<void> {
  await ensureRealm(db.prisma, name, {
    kek,
    makeSigningKey: () => generateSigningKey((count) => door.randomBytes(count)),
    clock: door.nowMs,
  });
}
