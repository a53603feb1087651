import type { Database } from '../postgres/database.ts';
import type { Actor } from '../postgres/write.ts';

export const tester: Actor = { name: 'suite', role: 'admin', address: null, requestId: 'req_suite' };

/** A realm with an empty state; its signing key is no key. */
export async function makeRealm(db: Database, name: string): Promise<void> {
  const zero = new Uint8Array(32);
  await db.prisma.realm.create({
    data: {
      name,
      epoch: `epoch-${name}`,
      chain: zero,
      stateDigest: zero,
      signingKeyId: 1,
      signingPublic: zero,
      signingPrivate: zero,
    },
  });
}

export interface SampleKey {
  readonly realm: string;
  readonly number: number;
  readonly kid: string;
  readonly quota?: { limit: number; window: 'hour' | 'day' | 'month'; zone: string };
  readonly budget?: number;
}

/** A credential with one live version. */
export async function makeKey(db: Database, key: SampleKey): Promise<void> {
  await db.prisma.credential.create({
    data: {
      id: `key_${key.realm}_${key.number}`,
      realm: key.realm,
      number: key.number,
      name: `key-${key.number}`,
      grantNumber: 1,
      ...(key.quota === undefined ? {} : { quota: { ...key.quota } }),
      versions: {
        create: {
          kid: key.kid,
          realm: key.realm,
          number: 1,
          digest: new Uint8Array(16),
          pepperVersion: 1,
          lastFour: 'aaaa',
          state: 'active',
          budgetLimit: key.budget ?? null,
        },
      },
    },
  });
}
