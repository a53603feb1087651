import { abortRotation, finishRotation, formatDuration, type Version, type VersionResult } from '@fluxgate/policy';
import type { Rotation, RotationPolicy } from '@fluxgate/protocol/admin';
import type { Tx } from '@fluxgate/stores/postgres';
import { isProblem, type Problem, problem } from '../problem.ts';
import type { Done, Write } from '../write.ts';
import { type Lineage, lockLineage, type RotationRow, readLineage, versionsOf } from './lineage.ts';
import { rotationView } from './rotation-view.ts';
import { dueAtMs } from './terms.ts';
import { saveVersions, settle, versionProblem } from './versions.ts';
import { auditView, keyView } from './view.ts';

export const rotationNotFound = (id: string): Problem =>
  problem('rotation_not_found', `there is no rotation "${id.slice(0, 200)}"`, '`fluxctl keys rotations list` shows all');

export interface EndOrder {
  readonly realm: string;
  readonly rotation: string;
  readonly nowMs: number;
  readonly how: 'finished' | 'aborted';
  /** Refuse while the old version was used within this time; null: do not look. */
  readonly idleMs: number | null;
}

function busy(row: RotationRow, lineage: Lineage, idleMs: number, nowMs: number): Problem | null {
  const view = rotationView(row, lineage.row, nowMs);
  const usedMs = view.oldLastUsedAt === null ? null : new Date(view.oldLastUsedAt).getTime();
  if (usedMs === null || nowMs - usedMs >= idleMs) return null;
  const who = [view.oldLastAddress, view.oldLastUserAgent].filter((part) => part !== null).join(' ');
  return problem(
    'rotation_not_idle',
    `version ${view.fromVersion} was used ${formatDuration(Math.floor((nowMs - usedMs) / 1000) * 1000)} ago${who === '' ? '' : ` by ${who}`}`,
    'move that caller to the new key and try again, or end the old version anyway with force',
    { retryAfterMs: idleMs - (nowMs - usedMs) },
  );
}

/** Finish: the old version ends now. Abort: the new version is revoked, the old one is active again. */
export async function endRotation(write: Write, order: EndOrder): Promise<Problem | Done<{ rotation: Rotation }>> {
  const { realm, nowMs, how } = order;
  return write(async (tx: Tx) => {
    const found = await tx.rotation.findFirst({ where: { realm, id: order.rotation } });
    if (found === null) return rotationNotFound(order.rotation);
    const lineage = await lockLineage(tx, realm, found.credentialId);
    if (isProblem(lineage)) return lineage;
    await settle(tx, lineage, nowMs);
    const row = await tx.rotation.findUniqueOrThrow({ where: { id: found.id } });
    if (row.state !== 'retiring') {
      return problem(
        'rotation_ended',
        `the rotation ${row.id} is ${row.state}`,
        row.state === how ? 'nothing is left to do' : 'rotate the key again',
      );
    }
    const refusal = how === 'finished' && order.idleMs !== null ? busy(row, lineage, order.idleMs, nowMs) : null;
    if (refusal !== null) return refusal;
    const before = keyView(lineage, [], nowMs);
    const result: VersionResult = arithmetic(how, versionsOf(lineage), nowMs);
    if (!result.ok) return versionProblem(result);
    const records = await saveVersions(
      tx,
      lineage,
      result.versions,
      result.changed,
      nowMs,
      how === 'aborted' ? 'rotation aborted' : null,
    );
    await tx.rotation.update({
      where: { id: row.id },
      data: { state: how, endedAt: new Date(nowMs), ...(how === 'finished' ? { graceUntil: new Date(nowMs) } : {}) },
    });
    if (how === 'aborted') await dueAgain(tx, lineage, row.fromKid, nowMs);
    const after = (await readLineage(tx, realm, lineage.row.id)) as Lineage;
    const ended = after.rotations.find(({ id }) => id === row.id) as RotationRow;
    return {
      value: { rotation: rotationView(ended, after.row, nowMs) },
      records,
      urgent: true,
      audit: [{ target: `rotation/${row.id}`, before: auditView(before), after: auditView(keyView(after, [], nowMs)) }],
    };
  });
}

/** The old version is the current one again, and as due as it was. */
async function dueAgain(tx: Tx, { row }: Lineage, kid: string, nowMs: number): Promise<void> {
  const current = row.versions.find((version) => version.kid === kid);
  if (current === undefined) return;
  const policy = row.rotation as RotationPolicy | null;
  const dueMs = dueAtMs(policy?.everyMs ?? null, current.createdAt.getTime(), current.notAfter?.getTime() ?? null);
  await tx.credential.update({
    where: { id: row.id },
    data: { updatedAt: new Date(nowMs), rotationDueAt: dueMs === null ? null : new Date(dueMs) },
  });
}

const arithmetic = (how: EndOrder['how'], versions: readonly Version[], nowMs: number): VersionResult =>
  how === 'finished' ? finishRotation(versions, nowMs) : abortRotation(versions, nowMs);
