import type { Rotation } from '@fluxgate/protocol/admin';
import type { CredentialRow, RotationRow } from './lineage.ts';
import { timeOf } from './view.ts';

/** A rotation as the API shows it; its end is judged by the clock, not by a job. */
export function rotationView(row: RotationRow, credential: CredentialRow, nowMs: number): Rotation {
  const from = credential.versions.find(({ kid }) => kid === row.fromKid);
  const to = credential.versions.find(({ kid }) => kid === row.toKid);
  const over = row.state === 'retiring' && row.graceUntil.getTime() <= nowMs;
  // Use before the rotation says nothing about who still has to move.
  const used = from?.lastUsedAt != null && from.lastUsedAt.getTime() >= row.createdAt.getTime() ? from : null;
  return {
    id: row.id,
    keyId: credential.id,
    keyName: credential.name,
    fromKid: row.fromKid,
    toKid: row.toKid,
    fromVersion: from?.number ?? 0,
    toVersion: to?.number ?? 0,
    state: over ? 'finished' : (row.state as Rotation['state']),
    graceUntil: row.graceUntil.toISOString(),
    createdAt: row.createdAt.toISOString(),
    endedAt: timeOf(over ? row.graceUntil : row.endedAt),
    actor: row.actor,
    oldLastUsedAt: timeOf(used?.lastUsedAt ?? null),
    oldLastAddress: used?.lastAddress ?? null,
    oldLastUserAgent: used?.lastUserAgent ?? null,
  };
}
