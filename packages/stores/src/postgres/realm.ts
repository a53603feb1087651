import { randomUUID } from 'node:crypto';
import { RealmUnknown } from '../ports/faults.ts';
import { classified } from './classify.ts';
import type { Client } from './client.ts';

/** Seals under the KEK; `LocalSecretStore` and this use the same one. */
export interface Sealing {
  seal(plain: Uint8Array, place: readonly string[]): Uint8Array;
  open(sealed: Uint8Array, place: readonly string[]): Uint8Array;
}

/** Raw Ed25519 halves, 32 bytes each. */
export interface SigningKeyBytes {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
}

export interface RealmIdentity {
  readonly name: string;
  readonly epoch: string;
  readonly signingKeyId: number;
  readonly publicKey: Uint8Array;
  /** Opened; keep it in memory only. */
  readonly seed: Uint8Array;
}

const KEY_ID = 1;
const ZERO_HASH = new Uint8Array(32);

const place = (realm: string, keyId: number) => ['signing-key', realm, String(keyId)];

/** Epochs sort by the time they began. `20261121T200000Z-9f…`; at most 64 bytes, as the frames demand. */
export function newEpoch(nowMs: number, id: string = randomUUID()): string {
  return `${new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '')}-${id}`;
}

/**
 * The realm's row with its signing key, made if it is missing. Of two replicas that start at once one makes it, both read the
 * same. Throws what `open` throws when the key was sealed under another KEK, and `RealmUnknown` never.
 */
export async function ensureRealm(
  prisma: Pick<Client, 'realm'>,
  name: string,
  options: { readonly kek: Sealing; readonly makeSigningKey: () => SigningKeyBytes; readonly clock: () => number },
): Promise<RealmIdentity> {
  return classified(async () => {
    if ((await prisma.realm.findUnique({ where: { name }, select: { name: true } })) === null) {
      const { seed, publicKey } = options.makeSigningKey();
      await prisma.realm.createMany({
        data: [
          {
            name,
            epoch: newEpoch(options.clock()),
            chain: ZERO_HASH,
            stateDigest: ZERO_HASH,
            signingKeyId: KEY_ID,
            signingPublic: Uint8Array.from(publicKey),
            signingPrivate: Uint8Array.from(options.kek.seal(seed, place(name, KEY_ID))),
            createdAt: new Date(options.clock()),
          },
        ],
        skipDuplicates: true,
      });
    }
    return readRealm(prisma, name, options.kek);
  });
}

/** Errors: `RealmUnknown`, `DatabaseUnavailable`, and what `kek.open` throws. */
export async function readRealm(prisma: Pick<Client, 'realm'>, name: string, kek: Sealing): Promise<RealmIdentity> {
  return classified(async () => {
    const row = await prisma.realm.findUnique({ where: { name } });
    if (row === null) throw new RealmUnknown(name);
    return {
      name,
      epoch: row.epoch,
      signingKeyId: row.signingKeyId,
      publicKey: row.signingPublic,
      seed: kek.open(row.signingPrivate, place(name, row.signingKeyId)),
    };
  });
}
