import { effectiveState, type Version, type VersionRefusal } from '@fluxgate/policy';
import type { StateRecord } from '@fluxgate/protocol/sync';
import type { Tx } from '@fluxgate/stores/postgres';
import { type Problem, problem } from '../problem.ts';
import { keyRecord, type Lineage, versionsOf } from './lineage.ts';

/** A refusal of policy's arithmetic in the words of the API. */
export function versionProblem({ code, why, remedy }: VersionRefusal): Problem {
  switch (code) {
    case 'key_not_live':
    case 'rotation_in_progress':
    case 'rotation_not_found':
      return problem(code, why, remedy);
    case 'version_not_found':
      return problem('key_not_found', why, remedy);
    default:
      return problem('invalid_request', why, remedy);
  }
}

const ended = (state: Version['state']): boolean => state === 'revoked' || state === 'retired';

/**
 * Writes versions whose state or end has changed and says what nodes have to learn. New versions are inserted by whoever
 * minted them.
 */
export async function saveVersions(
  tx: Tx,
  lineage: Lineage,
  next: readonly Version[],
  changed: readonly string[],
  nowMs: number,
  reason: string | null = null,
): Promise<StateRecord[]> {
  const records: StateRecord[] = [];
  for (const version of next) {
    const row = lineage.row.versions.find(({ kid }) => kid === version.kid);
    if (row === undefined || !changed.includes(version.kid)) continue;
    await tx.keyVersion.update({
      where: { kid: version.kid },
      data: {
        state: version.state,
        notAfter: version.notAfterMs === null ? null : new Date(version.notAfterMs),
        endedAt: ended(version.state) ? (row.endedAt ?? new Date(nowMs)) : null,
        ...(reason === null ? {} : { reason }),
      },
    });
    records.push(keyRecord(version, row, lineage.row));
  }
  return records;
}

/**
 * Writes down what the clock has already done: versions whose grace is over are retired, their rotations finished.
 * Nodes refuse them since that moment anyway; the tables catch up here so that "at most two live versions" can be
 * checked without a clock.
 */
export async function settle(tx: Tx, lineage: Lineage, nowMs: number): Promise<void> {
  for (const version of versionsOf(lineage)) {
    const live = version.state === 'active' || version.state === 'retiring' || version.state === 'suspended';
    if (!live || effectiveState(version, nowMs) !== 'retired') continue;
    const endedAt = new Date(version.graceUntilMs ?? nowMs);
    await tx.keyVersion.update({ where: { kid: version.kid }, data: { state: 'retired', endedAt } });
  }
  await tx.rotation.updateMany({
    where: { credentialId: lineage.row.id, state: 'retiring', graceUntil: { lte: new Date(nowMs) } },
    data: { state: 'finished', endedAt: new Date(nowMs) },
  });
}
