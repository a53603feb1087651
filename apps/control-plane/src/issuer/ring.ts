import { foundKeyring, type Keyring, published } from '@fluxgate/policy';
import type { Database, Reader, Tx } from '@fluxgate/stores/postgres';
import type { PublicSigningJwk } from '@fluxgate/stores/signing';
import type { Door } from '../door.ts';
import type { Issuer } from './issuer.ts';

/** A key of the ring as it is stored: public half, and whose signer keeps the other one. */
export interface IssuerKey {
  readonly kid: string;
  readonly jwk: PublicSigningJwk;
  readonly signer: string;
}
export type IssuerRing = Keyring<IssuerKey>;

/**
 * A ring may be this old when it is used. The arithmetic allows for much more (`skewMs`); it keeps a public endpoint from
 * reading the database on every request.
 */
const FRESH_MS = 1_000;

export interface RingReader {
  /** The ring of a realm, made on first need; null: there is no such realm. At most a second old. */
  of(realm: string): Promise<IssuerRing | null>;
  /** It was changed here: the next reader sees the change. */
  changed(realm: string): void;
}

export function ringReader(db: Database, door: Door, issuer: () => Issuer): RingReader {
  const read = new Map<string, { readonly ring: Promise<IssuerRing | null>; readonly atMs: number }>();
  return {
    of(realm) {
      const nowMs = door.nowMs();
      const known = read.get(realm);
      if (known !== undefined && nowMs >= known.atMs && nowMs - known.atMs < FRESH_MS) return known.ring;
      const ring = readOrFound(db, door, issuer(), realm);
      read.set(realm, { ring, atMs: nowMs });
      // Neither an outage nor a realm that is not there is remembered: names come from the URL of anybody.
      ring.then(
        (found) => (found === null ? read.delete(realm) : null),
        () => read.delete(realm),
      );
      return ring;
    },
    changed: (realm) => void read.delete(realm),
  };
}

async function readOrFound(db: Database, door: Door, issuer: Issuer, realm: string): Promise<IssuerRing | null> {
  const known = await readRing(db.prisma, realm);
  if (known !== null) return known;
  if ((await db.prisma.realm.count({ where: { name: realm } })) === 0) return null;
  const key = await generateKey(issuer, realm);
  const nowMs = door.nowMs();
  const ring = JSON.stringify(foundKeyring(key, nowMs));
  // Of several that found the ring at once one wins; all use its ring.
  const made = await db.prisma.$executeRaw`
    INSERT INTO issuer_keyring (realm, ring, updated_at) VALUES (${realm}, ${ring}::jsonb, ${new Date(nowMs)}) ON CONFLICT DO NOTHING`;
  if (made === 0) await issuer.signerFor(realm).forget(key.kid);
  return readRing(db.prisma, realm);
}

export async function generateKey(issuer: Issuer, realm: string): Promise<IssuerKey> {
  const signer = issuer.signerFor(realm);
  const jwk = await signer.generate(issuer.algorithm);
  return { kid: jwk.kid, jwk, signer: signer.name };
}

async function readRing(db: Reader, realm: string): Promise<IssuerRing | null> {
  const row = await db.issuerKeyring.findUnique({ where: { realm }, select: { ring: true } });
  return row === null ? null : (row.ring as unknown as IssuerRing);
}

/** Holds the ring until the transaction ends: its changes come one after the other. */
export async function lockRing(tx: Tx, realm: string): Promise<IssuerRing | null> {
  const rows = await tx.$queryRaw<object[]>`SELECT 1 AS one FROM issuer_keyring WHERE realm = ${realm} FOR UPDATE`;
  return rows.length === 0 ? null : readRing(tx, realm);
}

export async function saveRing(tx: Tx, realm: string, ring: IssuerRing, nowMs: number): Promise<void> {
  await tx.issuerKeyring.update({
    where: { realm },
    data: { ring: JSON.parse(JSON.stringify(ring)), updatedAt: new Date(nowMs) },
  });
}

/** RFC 7517 §5. */
export const keySetOf = (ring: IssuerRing): { readonly keys: readonly PublicSigningJwk[] } => ({
  keys: published(ring).map(({ jwk }) => jwk),
});

/** What the audit log tells of a ring. */
export const ringFacts = ({ current, next, previous }: IssuerRing): Record<string, string | null> => ({
  current: current.kid,
  next: next?.kid ?? null,
  previous: previous?.kid ?? null,
});
