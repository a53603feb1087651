import { openRotation, rotateVersions } from '@fluxgate/policy';
import type { Key, Rotation, RotationPolicy } from '@fluxgate/protocol/admin';
import { newId } from '../door.ts';
import { isProblem, type Problem, problem } from '../problem.ts';
import { readKeyContext } from '../realm/config.ts';
import type { Services } from '../services.ts';
import type { Done, Write } from '../write.ts';
import { keyNotFound, keyRecord, type Lineage, lockLineage, readLineage, versionsOf } from './lineage.ts';
import { mintKey } from './mint.ts';
import { pepperFor } from './pepper.ts';
import { rotationView } from './rotation-view.ts';
import { signingOf } from './signing.ts';
import { dueAtMs, expiryOf, type Terms, termsOf } from './terms.ts';
import { saveVersions, settle, versionProblem } from './versions.ts';
import { auditView, keyView } from './view.ts';

export interface RotateOrder {
  readonly realm: string;
  /** Id, name or kid. */
  readonly key: string;
  readonly graceMs: number;
  /** null: as long as the version before was given, at most `max_age`. */
  readonly lifetimeMs: number | null;
  readonly reissue: boolean;
  /** Where the secret goes instead of into the answer; only noted here. */
  readonly deliver: string | null;
  readonly dryRun: boolean;
  readonly nowMs: number;
  readonly by: string;
  /** Judged again under the lock: of several control planes that saw the key due, one rotates it. */
  readonly onlyIfDue?: boolean;
}

export interface RotatedBody {
  readonly key: Key;
  readonly rotation: Rotation;
  readonly secret: string | null;
  readonly replayed: boolean;
  readonly delivered: string | null;
}

/** How long the next version lives: what its owner chose for the one before, within the policy of today. */
function lifetimeOf({ row }: Lineage, terms: Terms): number {
  const newest = row.versions.at(-1);
  const given = newest?.notAfter == null ? null : newest.notAfter.getTime() - newest.createdAt.getTime();
  return Math.min(given === null || given <= 0 ? terms.maxAgeMs : given, terms.maxAgeMs);
}

/**
 * A new version beside the current one. The credential row is locked, the arithmetic is policy's, and both versions, the
 * rotation and the audit line are written by one transaction; the secret leaves this function only after its commit.
 */
export async function rotateKey(
  services: Services,
  write: Write,
  order: RotateOrder,
): Promise<Problem | { readonly done: Done<RotatedBody>; readonly plaintext: string }> {
  const { realm, nowMs } = order;
  const context = await readKeyContext(services.db.prisma, realm);
  const terms = termsOf(context.settings.apiKey);
  const found = await readLineage(services.db.prisma, realm, order.key);
  if (found === null) return keyNotFound(order.key);
  const signing = await signingOf(services.db.prisma, realm, found.row.grantNumber);
  const asked = order.lifetimeMs === null ? null : expiryOf(terms, nowMs, order.lifetimeMs);
  if (isProblem(asked)) return asked;
  const pepper = await pepperFor(services, realm, context.settings.apiKey);
  if (isProblem(pepper)) return pepper;
  const minted = mintKey(services.door, realm, pepper, signing);
  const rotationId = newId(services.door, 'rot');

  const done = await write<RotatedBody>(async (tx) => {
    const locked = await lockLineage(tx, realm, order.key);
    if (isProblem(locked)) return locked;
    await settle(tx, locked, nowMs);
    const lineage = (await readLineage(tx, realm, locked.row.id)) as Lineage;
    const dueAtTime = lineage.row.rotationDueAt?.getTime() ?? Number.POSITIVE_INFINITY;
    if (order.onlyIfDue === true && dueAtTime > nowMs) return problem('conflict', 'the key is no longer due');
    const before = keyView(lineage, context.tiers, nowMs);
    const versions = versionsOf(lineage);
    const open = openRotation(versions, nowMs);
    const expiry = asked ?? expiryOf(terms, nowMs, lifetimeOf(lineage, terms));
    if (isProblem(expiry)) return expiry;
    // Nodes count in seconds: the grace ends on a whole one.
    const graceMs = order.graceMs === 0 ? 0 : Math.ceil((nowMs + order.graceMs) / 1000) * 1000 - nowMs;
    const rotated = rotateVersions(versions, {
      kid: minted.kid,
      nowMs,
      graceMs,
      notAfterMs: expiry.notAfterMs,
      reissue: order.reissue,
    });
    if (!rotated.ok) return versionProblem(rotated);

    const records = await saveVersions(tx, lineage, rotated.versions, rotated.changed, nowMs, order.reissue ? 'reissued' : null);
    const added = rotated.versions.find(({ kid }) => kid === minted.kid);
    if (added === undefined) throw new Error('policy rotated without a new version');
    await tx.keyVersion.create({
      data: {
        kid: minted.kid,
        realm,
        credentialId: lineage.row.id,
        number: added.number,
        digest: minted.digest,
        pepperVersion: minted.pepperVersion,
        lastFour: minted.lastFour,
        state: added.state,
        notAfter: new Date(expiry.notAfterMs),
        budgetLimit: lineage.row.requestBudget,
        createdAt: new Date(nowMs),
      },
    });
    const reissued = order.reissue && open !== null;
    const from = reissued
      ? open.from
      : rotated.versions.find(({ kid, graceUntilMs }) => rotated.changed.includes(kid) && graceUntilMs !== null);
    if (from === undefined) throw new Error('policy rotated without an old version');
    const rotationRow = reissued
      ? await tx.rotation.updateManyAndReturn({
          where: { credentialId: lineage.row.id, fromKid: from.kid, state: 'retiring' },
          data: { toKid: minted.kid },
        })
      : [
          await tx.rotation.create({
            data: {
              id: rotationId,
              realm,
              credentialId: lineage.row.id,
              fromKid: from.kid,
              toKid: minted.kid,
              state: from.state === 'retiring' ? 'retiring' : 'finished',
              graceUntil: new Date(from.graceUntilMs ?? nowMs),
              endedAt: from.state === 'retiring' ? null : new Date(nowMs),
              actor: order.by,
              createdAt: new Date(nowMs),
            },
          }),
        ];
    const dueMs = dueAtMs((lineage.row.rotation as RotationPolicy | null)?.everyMs ?? null, nowMs, expiry.notAfterMs);
    await tx.credential.update({
      where: { id: lineage.row.id },
      data: { updatedAt: new Date(nowMs), rotationDueAt: dueMs === null ? null : new Date(dueMs) },
    });
    const after = (await readLineage(tx, realm, lineage.row.id)) as Lineage;
    const key = keyView(after, context.tiers, nowMs);
    const row = rotationRow[0];
    if (row === undefined) throw new Error('the rotation to reissue is not there');
    return {
      value: {
        key,
        rotation: rotationView(row, after.row, nowMs),
        secret: order.dryRun || order.deliver !== null ? null : minted.plaintext,
        replayed: false,
        delivered: order.dryRun ? null : order.deliver,
      },
      records: [keyRecord(added, minted, after.row), ...records],
      // Without a grace the old version ends now.
      urgent: graceMs === 0 || order.reissue,
      audit: [{ target: `key/${key.name}`, before: auditView(before), after: { ...auditView(key), rotation: row.id } }],
    };
  });
  return isProblem(done) ? done : { done, plaintext: minted.plaintext };
}
