import { type Grant, liveVersions, type Quota, resumeVersions, suspendVersions, type VersionResult } from '@fluxgate/policy';
import type { ParsedBodyOf, RotationPolicy } from '@fluxgate/protocol/admin';
import type { StateRecord } from '@fluxgate/protocol/sync';
import { Prisma, type Tx } from '@fluxgate/stores/postgres';
import { deliveryProblem } from '../keys/delivery.ts';
import { internGrant } from '../keys/grants.ts';
import { type CredentialRow, keyRecord, type Lineage, lockLineage, readLineage, versionsOf } from '../keys/lineage.ts';
import { signingOf } from '../keys/signing.ts';
import { dueAtMs, termsOf, wishErrors } from '../keys/terms.ts';
import { saveVersions, settle, versionProblem } from '../keys/versions.ts';
import { auditView, keyView } from '../keys/view.ts';
import { invalid, isProblem, type Problem } from '../problem.ts';
import { knownRoutes, readKeyContext } from '../realm/config.ts';
import type { Handler } from './call.ts';

type Patch = ParsedBodyOf<'keysUpdate'>;

function grantAfter(row: CredentialRow, patch: Patch, signing: Grant['signing']): Grant {
  return {
    scopes: patch.scopes ?? row.scopes,
    routes: patch.routes === undefined ? (row.routesSet ? row.routes : null) : patch.routes,
    cidrs: patch.cidrs === undefined ? (row.cidrsSet ? row.cidrs : null) : patch.cidrs,
    quota: patch.quota === undefined ? (row.quota as Quota | null) : patch.quota,
    requestBudget:
      patch.requestBudget === undefined ? (row.requestBudget === null ? null : Number(row.requestBudget)) : patch.requestBudget,
    owner: patch.owner === undefined ? row.owner : patch.owner,
    ...(signing === undefined ? {} : { signing }),
  };
}

/** Only the given fields change. Nodes learn a new grant number for every version they still hold. */
export const keysUpdate: Handler<'keysUpdate'> = async (call, services) => {
  const { body, realm, nowMs, params } = call;
  const context = await readKeyContext(services.db.prisma, realm);
  const errors = wishErrors(
    body,
    termsOf(context.settings.apiKey),
    await knownRoutes(services.db.prisma, realm, body.routes ?? []),
  );
  if (errors.length > 0) return invalid(errors);
  const refused = deliveryProblem(body.rotation?.deliver ?? null, context.settings.apiKey);
  if (refused !== null) return refused;

  const done = await call.write(async (tx) => {
    const lineage = await lockLineage(tx, realm, params['key'] ?? '');
    if (isProblem(lineage)) return lineage;
    await settle(tx, lineage, nowMs);
    const before = keyView(lineage, context.tiers, nowMs);
    const grant = grantAfter(lineage.row, body, await signingOf(tx, realm, lineage.row.grantNumber));
    const interned = await internGrant(tx, realm, grant);
    const rotation = body.rotation === undefined ? (lineage.row.rotation as RotationPolicy | null) : body.rotation;
    await saveCredential(tx, lineage, body, grant, interned.number, rotation, nowMs);

    const regranted = await reread(tx, realm, lineage);
    const records: StateRecord[] = [...interned.records];
    const suspended = await suspend(tx, regranted, body.suspended, nowMs);
    if (isProblem(suspended)) return suspended;
    const after = await reread(tx, realm, lineage);
    if (interned.number !== lineage.row.grantNumber || suspended.length > 0) {
      const rows = new Map(after.row.versions.map((row) => [row.kid, row]));
      for (const version of versionsOf(after)) {
        const row = rows.get(version.kid);
        if (row !== undefined && row.endedAt === null) records.push(keyRecord(version, row, after.row));
      }
    }
    const key = keyView(after, context.tiers, nowMs);
    const same = JSON.stringify({ ...before, updatedAt: '' }) === JSON.stringify({ ...key, updatedAt: '' });
    return {
      value: { key },
      records,
      urgent: true,
      audit: same ? [] : [{ target: `key/${key.name}`, before: auditView(before), after: auditView(key) }],
    };
  });
  return isProblem(done) ? done : { ...done.value, revision: done.revision, convergence: null };
};

const reread = async (tx: Tx, realm: string, { row }: Lineage): Promise<Lineage> =>
  (await readLineage(tx, realm, row.id)) as Lineage;

async function saveCredential(
  tx: Tx,
  lineage: Lineage,
  patch: Patch,
  grant: Grant,
  grantNumber: number,
  rotation: RotationPolicy | null,
  nowMs: number,
): Promise<void> {
  const current = liveVersions(versionsOf(lineage), nowMs).findLast(({ graceUntilMs }) => graceUntilMs === null);
  const born = lineage.row.versions.find(({ kid }) => kid === current?.kid)?.createdAt.getTime();
  const dueMs = born === undefined ? null : dueAtMs(rotation?.everyMs ?? null, born, current?.notAfterMs ?? null);
  const budget = grant.requestBudget === null ? null : BigInt(grant.requestBudget);
  await tx.credential.update({
    where: { id: lineage.row.id },
    data: {
      owner: grant.owner,
      scopes: [...grant.scopes],
      routes: [...(grant.routes ?? [])],
      routesSet: grant.routes !== null,
      cidrs: [...(grant.cidrs ?? [])],
      cidrsSet: grant.cidrs !== null,
      requestBudget: budget,
      grantNumber,
      rotationDueAt: dueMs === null ? null : new Date(dueMs),
      updatedAt: new Date(nowMs),
      ...(patch.labels === undefined ? {} : { labels: patch.labels }),
      ...(patch.quota === undefined ? {} : { quota: patch.quota ?? Prisma.DbNull }),
      ...(patch.rotation === undefined ? {} : { rotation: patch.rotation ?? Prisma.DbNull }),
    },
  });
  if (patch.requestBudget !== undefined && current !== undefined) {
    await tx.keyVersion.update({ where: { kid: current.kid }, data: { budgetLimit: budget } });
  }
}

async function suspend(tx: Tx, lineage: Lineage, wanted: boolean | undefined, nowMs: number): Promise<Problem | StateRecord[]> {
  const versions = versionsOf(lineage);
  const isSuspended = versions.some(({ state }) => state === 'suspended');
  if (wanted === undefined || wanted === isSuspended) return [];
  const result: VersionResult = wanted ? suspendVersions(versions, nowMs) : resumeVersions(versions);
  if (!result.ok) return versionProblem(result);
  return saveVersions(tx, lineage, result.versions, result.changed, nowMs);
}
