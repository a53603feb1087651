import { type KeyState, type StoredVersionState, type Version, verifiesUntilMs } from '@fluxgate/policy';
import { ENTITY, encodeKeyPayload, putRecord, type StateRecord } from '@fluxgate/protocol/sync';
import type { Prisma, Tx } from '@fluxgate/stores/postgres';
import { lockCredential } from '@fluxgate/stores/postgres';
import { type Problem, problem } from '../problem.ts';

const shape = { include: { versions: { orderBy: { number: 'asc' } } } } as const;
export type CredentialRow = Prisma.CredentialGetPayload<typeof shape>;
export type VersionRow = CredentialRow['versions'][number];
export type RotationRow = Prisma.RotationGetPayload<Record<never, never>>;

/** A credential with everything that decides about it: its versions, oldest first, and its rotations, newest first. */
export interface Lineage {
  readonly row: CredentialRow;
  readonly rotations: readonly RotationRow[];
}

const looksLikeKid = (text: string): boolean => /^[0-9A-Za-z]{12}$/.test(text);

export const keyNotFound = (key: string): Problem =>
  problem('key_not_found', `there is no key with the name, id or kid "${key.slice(0, 200)}"`, '`fluxctl keys list` shows all');

/**
 * The id behind an id, a kid or a name; null when there is none in the realm. Kids before names: a kid is made by chance, a name is
 * chosen, and a key that bears the kid of another as its name must not be the one that a revocation by kid ends.
 */
export async function findCredentialId(tx: Tx, realm: string, key: string): Promise<string | null> {
  const version = looksLikeKid(key)
    ? await tx.keyVersion.findFirst({ where: { realm, kid: key }, select: { credentialId: true } })
    : null;
  if (version !== null) return version.credentialId;
  const named = await tx.credential.findFirst({
    where: { realm, OR: [{ id: key }, { name: key }] },
    select: { id: true },
    orderBy: { id: 'asc' },
  });
  return named?.id ?? null;
}

async function load(tx: Tx, id: string): Promise<Lineage | null> {
  const row = await tx.credential.findUnique({ where: { id }, ...shape });
  if (row === null) return null;
  const rotations = await tx.rotation.findMany({ where: { credentialId: id }, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }] });
  return { row, rotations };
}

export async function readLineage(tx: Tx, realm: string, key: string): Promise<Lineage | null> {
  const id = await findCredentialId(tx, realm, key);
  return id === null ? null : load(tx, id);
}

/** As `readLineage`, and nobody else changes the credential until the transaction ends. */
export async function lockLineage(tx: Tx, realm: string, key: string): Promise<Lineage | Problem> {
  const id = await findCredentialId(tx, realm, key);
  if (id === null || !(await lockCredential(tx, id))) return keyNotFound(key);
  return (await load(tx, id)) ?? keyNotFound(key);
}

/** Many at once, for lists. */
export async function withRotations(tx: Tx, rows: readonly CredentialRow[]): Promise<Lineage[]> {
  const all = await tx.rotation.findMany({
    where: { credentialId: { in: rows.map(({ id }) => id) } },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
  });
  const byCredential = Map.groupBy(all, ({ credentialId }) => credentialId);
  return rows.map((row) => ({ row, rotations: byCredential.get(row.id) ?? [] }));
}

/** The versions as policy reasons about them. The end of a grace is written in the rotation that began it. */
export function versionsOf({ row, rotations }: Lineage): Version[] {
  return row.versions.map((version) => {
    const retiredBy = rotations.find(({ fromKid, state }) => fromKid === version.kid && state !== 'aborted');
    return {
      kid: version.kid,
      number: version.number,
      state: version.state as StoredVersionState,
      notAfterMs: version.notAfter?.getTime() ?? null,
      graceUntilMs: retiredBy?.graceUntil.getTime() ?? null,
    };
  });
}

const NEVER_S = 0xffffffff;
/** `retired` needs no state of its own on a node: its rotation ended it, so it is refused as revoked is. */
const onNode: Record<StoredVersionState, KeyState> = {
  active: 'active',
  retiring: 'retiring',
  suspended: 'suspended',
  revoked: 'revoked',
  retired: 'revoked',
};

export interface KeyFacts {
  readonly digest: Uint8Array;
  readonly pepperVersion: number;
}

/** What nodes hold of one version. */
export function keyRecord(
  version: Version,
  facts: KeyFacts,
  credential: { readonly number: number; readonly name: string; readonly grantNumber: number },
): StateRecord {
  const untilMs = verifiesUntilMs(version);
  const payload = encodeKeyPayload({
    digest: facts.digest,
    pepperVersion: facts.pepperVersion,
    state: onNode[version.state],
    notAfterS: untilMs === null ? NEVER_S : Math.floor(untilMs / 1000),
    grant: credential.grantNumber,
    credential: credential.number,
    name: credential.name,
  });
  return putRecord(ENTITY.key, version.kid, payload);
}
