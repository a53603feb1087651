import { renewVersion, revokeVersions } from '@fluxgate/policy';
import type { RotationPolicy } from '@fluxgate/protocol/admin';
import type { Tx } from '@fluxgate/stores/postgres';
import { type Lineage, lockLineage, readLineage, versionsOf } from '../keys/lineage.ts';
import { dueAtMs, expiryOf, termsOf } from '../keys/terms.ts';
import { saveVersions, settle, versionProblem } from '../keys/versions.ts';
import { auditView, keyView } from '../keys/view.ts';
import { isProblem } from '../problem.ts';
import { readKeyContext } from '../realm/config.ts';
import type { Handler } from './call.ts';

const reread = async (tx: Tx, realm: string, { row }: Lineage): Promise<Lineage> =>
  (await readLineage(tx, realm, row.id)) as Lineage;

/** The current version gets a new end and an untouched budget. */
export const keysRenew: Handler<'keysRenew'> = async (call, services) => {
  const { body, realm, nowMs, params } = call;
  const context = await readKeyContext(services.db.prisma, realm);
  const expiry = expiryOf(termsOf(context.settings.apiKey), nowMs, body.expiresInMs ?? null);
  if (isProblem(expiry)) return expiry;
  const done = await call.write(async (tx) => {
    const lineage = await lockLineage(tx, realm, params['key'] ?? '');
    if (isProblem(lineage)) return lineage;
    await settle(tx, lineage, nowMs);
    const before = keyView(lineage, context.tiers, nowMs);
    const renewed = renewVersion(versionsOf(lineage), nowMs, expiry.notAfterMs);
    if (!renewed.ok) return versionProblem(renewed);
    const records = await saveVersions(tx, lineage, renewed.versions, renewed.changed, nowMs);
    await tx.keyVersion.updateMany({
      where: { kid: { in: [...renewed.changed] } },
      data: { budgetAllotted: 0n, budgetLimit: lineage.row.requestBudget },
    });
    const dueMs = dueAtMs((lineage.row.rotation as RotationPolicy | null)?.everyMs ?? null, nowMs, expiry.notAfterMs);
    await tx.credential.update({
      where: { id: lineage.row.id },
      data: { updatedAt: new Date(nowMs), rotationDueAt: dueMs === null ? null : new Date(dueMs) },
    });
    const key = keyView(await reread(tx, realm, lineage), context.tiers, nowMs);
    return { value: { key }, records, audit: [{ target: `key/${key.name}`, before: auditView(before), after: auditView(key) }] };
  });
  return isProblem(done) ? done : { ...done.value, revision: done.revision, convergence: null };
};

/** Terminal, and told to nodes ahead of everything else. Revoking what is revoked changes nothing and is no error. */
export const keysRevoke: Handler<'keysRevoke'> = async (call, services) => {
  const { body, realm, nowMs, params } = call;
  const { tiers } = await readKeyContext(services.db.prisma, realm);
  const done = await call.write(async (tx) => {
    const lineage = await lockLineage(tx, realm, params['key'] ?? '');
    if (isProblem(lineage)) return lineage;
    const before = keyView(lineage, tiers, nowMs);
    const revoked = revokeVersions(versionsOf(lineage), body.kid);
    if (!revoked.ok) return versionProblem(revoked);
    const records = await saveVersions(tx, lineage, revoked.versions, revoked.changed, nowMs, body.reason);
    if (revoked.changed.length > 0) {
      // The end of a grace lives in the rotation, so an ended rotation stays: it is over, not undone.
      await tx.rotation.updateMany({
        where: {
          credentialId: lineage.row.id,
          state: 'retiring',
          OR: [{ fromKid: { in: [...revoked.changed] } }, { toKid: { in: [...revoked.changed] } }],
        },
        data: { state: 'finished', endedAt: new Date(nowMs) },
      });
      const over = revoked.versions.every(({ state }) => state === 'revoked' || state === 'retired');
      await tx.credential.update({
        where: { id: lineage.row.id },
        data: { updatedAt: new Date(nowMs), ...(over ? { state: 'revoked', rotationDueAt: null } : {}) },
      });
    }
    const key = keyView(await reread(tx, realm, lineage), tiers, nowMs);
    const audit =
      revoked.changed.length === 0
        ? []
        : [{ target: `key/${key.name}`, before: auditView(before), after: { ...auditView(key), reason: body.reason } }];
    return { value: { key }, records, urgent: true, audit };
  });
  return isProblem(done) ? done : { ...done.value, revision: done.revision, convergence: null };
};
