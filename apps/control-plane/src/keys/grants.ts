import { createHash } from 'node:crypto';
import type { Grant } from '@fluxgate/policy';
import { ENTITY, jsonPayload, putRecord, type StateRecord } from '@fluxgate/protocol/sync';
import { lockRealm, type Tx } from '@fluxgate/stores/postgres';

const sorted = (list: readonly string[]): string[] => [...new Set(list)].sort();

/** One spelling for one meaning: order and repetition do not make another grant. */
export function canonicalGrant(grant: Grant): Grant {
  return {
    scopes: sorted(grant.scopes),
    routes: grant.routes === null ? null : sorted(grant.routes),
    cidrs: grant.cidrs === null ? null : sorted(grant.cidrs),
    quota: grant.quota === null ? null : { limit: grant.quota.limit, window: grant.quota.window, zone: grant.quota.zone },
    requestBudget: grant.requestBudget,
    owner: grant.owner,
    ...(grant.signing === undefined ? {} : { signing: grant.signing }),
  };
}

export interface Interned {
  readonly number: number;
  /** The record that tells nodes about a new grant; none if they know it. */
  readonly records: readonly StateRecord[];
}

/** The number under which all credentials that may do the same share one grant. */
export async function internGrant(tx: Tx, realm: string, grant: Grant): Promise<Interned> {
  const content = canonicalGrant(grant);
  const hash = createHash('sha256').update(JSON.stringify(content)).digest();
  const known = await findGrant(tx, realm, hash);
  if (known !== null) return { number: known, records: [] };
  await lockRealm(tx, realm);
  // Somebody may have made it while we waited for the realm.
  const made = await findGrant(tx, realm, hash);
  if (made !== null) return { number: made, records: [] };
  const { nextGrant } = await tx.realm.update({
    where: { name: realm },
    data: { nextGrant: { increment: 1 } },
    select: { nextGrant: true },
  });
  const number = nextGrant - 1;
  await tx.grant.create({ data: { realm, number, hash, content: JSON.parse(JSON.stringify(content)) } });
  return { number, records: [putRecord(ENTITY.grant, String(number), jsonPayload(content))] };
}

/** FOR SHARE: the tidy job cannot remove a grant between our finding it and our commit. */
async function findGrant(tx: Tx, realm: string, hash: Buffer): Promise<number | null> {
  const rows = await tx.$queryRaw<
    { number: number }[]
  >`SELECT number FROM grant_set WHERE realm = ${realm} AND hash = ${hash} FOR SHARE`;
  return rows[0]?.number ?? null;
}
