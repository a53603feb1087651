import { deleteRecord, ENTITY, type StateRecord } from '@fluxgate/protocol/sync';
import type { Tx } from '@fluxgate/stores/postgres';
import { newId } from '../door.ts';
import type { Services } from '../services.ts';

/** How long nodes go on telling the owner of an ended key why it is refused. */
const ENDED_KEPT_MS = 7 * 86_400_000;
const KEYS_AT_ONCE = 5_000;

/**
 * Takes out of the state what no request needs any more, and writes down what the clock has ended. Nothing depends on
 * it: deadlines are judged on every request. Under an advisory lock, so that several control planes do it once.
 */
export async function tidyRealm(services: Services, realm: string): Promise<number> {
  const nowMs = services.door.nowMs();
  const actor = { name: 'tidy', role: 'system', address: null, requestId: newId(services.door, 'req') };
  const done = await services.db.write(realm, actor, async (tx) => {
    const [lock] = await tx.$queryRaw<
      { taken: boolean }[]
    >`SELECT pg_try_advisory_xact_lock(hashtextextended(${`fluxgate.tidy:${realm}`}, 0)) AS taken`;
    if (lock?.taken !== true) return { value: 0, records: [], summary: [], audit: [] };
    await settleRotations(tx, realm, nowMs);
    const records = [...(await endedKeys(tx, realm, nowMs)), ...(await unusedGrants(tx, realm))];
    const summary = records
      .slice(0, 200)
      .map(({ kind, id }) => ({ op: 'delete', kind: kind === ENTITY.key ? 'key' : 'grant', id }));
    return { value: records.length, records, summary, audit: [] };
  });
  if (done.revision !== null) services.nodes.wake(realm);
  return done.value;
}

async function settleRotations(tx: Tx, realm: string, nowMs: number): Promise<void> {
  const over = await tx.rotation.findMany({
    where: { realm, state: 'retiring', graceUntil: { lte: new Date(nowMs) } },
    take: KEYS_AT_ONCE,
  });
  for (const { id, fromKid, graceUntil } of over) {
    await tx.rotation.updateMany({ where: { id, state: 'retiring' }, data: { state: 'finished', endedAt: graceUntil } });
    await tx.keyVersion.updateMany({
      where: { kid: fromKid, state: { in: ['retiring', 'suspended'] } },
      data: { state: 'retired', endedAt: graceUntil },
    });
  }
}

async function endedKeys(tx: Tx, realm: string, nowMs: number): Promise<StateRecord[]> {
  const before = new Date(nowMs - ENDED_KEPT_MS);
  const rows = await tx.$queryRaw<{ kid: string }[]>`
    SELECT v.kid FROM key_version v
      JOIN entity e ON e.realm = v.realm AND e.kind = ${ENTITY.key}::smallint AND e.id = v.kid
     WHERE v.realm = ${realm} AND ((v.state IN ('revoked', 'retired') AND v.ended_at < ${before}) OR v.not_after < ${before})
     ORDER BY v.kid LIMIT ${KEYS_AT_ONCE}
       FOR UPDATE OF v`;
  return rows.map(({ kid }) => deleteRecord(ENTITY.key, kid));
}

/**
 * Grants that no credential has. Two statements: the first takes the rows from `internGrant`, which shares them; the
 * second then sees every credential that was committed with one of them.
 */
async function unusedGrants(tx: Tx, realm: string): Promise<StateRecord[]> {
  const candidates = await tx.$queryRaw<{ number: number }[]>`
    SELECT g.number FROM grant_set g
     WHERE g.realm = ${realm} AND NOT EXISTS (SELECT 1 FROM credential c WHERE c.realm = g.realm AND c.grant_number = g.number)
     ORDER BY g.number LIMIT ${KEYS_AT_ONCE} FOR UPDATE SKIP LOCKED`;
  if (candidates.length === 0) return [];
  const used = await tx.credential.findMany({
    where: { realm, grantNumber: { in: candidates.map(({ number }) => number) } },
    select: { grantNumber: true },
  });
  const again = new Set(used.map(({ grantNumber }) => grantNumber));
  const gone = candidates.map(({ number }) => number).filter((number) => !again.has(number));
  await tx.grant.deleteMany({ where: { realm, number: { in: gone } } });
  return gone.map((number) => deleteRecord(ENTITY.grant, String(number)));
}
