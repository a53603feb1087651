import {
  effectiveState,
  maskKey,
  missingScope,
  type Quota,
  type TierSpec,
  type Version,
  verifiesUntilMs,
} from '@fluxgate/policy';
import type { Key, KeyVersion, RotationPolicy } from '@fluxgate/protocol/admin';
import { type Lineage, type VersionRow, versionsOf } from './lineage.ts';

export const timeOf = (date: Date | null): string | null => date?.toISOString() ?? null;
const timeOfMs = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function versionView(row: VersionRow, version: Version, nowMs: number): KeyVersion {
  const state = effectiveState(version, nowMs);
  const budget = row.budgetLimit === null ? null : { limit: Number(row.budgetLimit), allotted: Number(row.budgetAllotted) };
  const live = state === 'active' || state === 'retiring';
  const untilMs = verifiesUntilMs(version);
  const endedByClock = state === 'expired' || (state === 'retired' && row.endedAt === null);
  return {
    kid: row.kid,
    number: row.number,
    state: live && budget !== null && budget.allotted >= budget.limit ? 'exhausted' : state,
    lastFour: row.lastFour,
    createdAt: row.createdAt.toISOString(),
    notAfter: timeOfMs(untilMs),
    endedAt: row.endedAt === null && endedByClock ? timeOfMs(untilMs) : timeOf(row.endedAt),
    reason: row.reason,
    lastUsedAt: timeOf(row.lastUsedAt),
    lastAddress: row.lastAddress,
    lastUserAgent: row.lastUserAgent,
    budget,
  };
}

/** The state of the whole key follows from the version that new requests should use: the newest. */
function keyState(versions: readonly KeyVersion[]): Key['state'] {
  const current =
    versions.findLast(({ state }) => state === 'active' || state === 'suspended') ??
    versions.findLast(({ state }) => state === 'retiring') ??
    versions.at(-1);
  switch (current?.state) {
    case 'active':
    case 'retiring':
      return 'active';
    case 'suspended':
    case 'expired':
    case 'exhausted':
      return current.state;
    default:
      return 'revoked';
  }
}

/** jsonb forgets the order of its keys; people read the limit first. */
const quotaView = (quota: Quota | null): Key['quota'] =>
  quota === null ? null : { limit: quota.limit, window: quota.window, zone: quota.zone };

/** A credential as the API shows it. Holds no secret: there is none to hold. */
export function keyView(lineage: Lineage, tiers: readonly TierSpec[], nowMs: number): Key {
  const { row } = lineage;
  const byKid = new Map(versionsOf(lineage).map((version) => [version.kid, version]));
  const versions = row.versions.flatMap((version) => {
    const known = byKid.get(version.kid);
    return known === undefined ? [] : [versionView(version, known, nowMs)];
  });
  const newest = row.versions.at(-1);
  const current = versions.findLast(({ state }) => state === 'active' || state === 'suspended') ?? versions.at(-1);
  const used = row.versions.flatMap(({ lastUsedAt }) => (lastUsedAt === null ? [] : [lastUsedAt.getTime()]));
  return {
    id: row.id,
    name: row.name,
    realm: row.realm,
    key: maskKey('k', row.realm, newest?.kid ?? '', newest?.lastFour ?? ''),
    state: keyState(versions),
    owner: row.owner,
    labels: row.labels as Record<string, string>,
    scopes: row.scopes,
    routes: row.routesSet ? row.routes : null,
    cidrs: row.cidrsSet ? row.cidrs : null,
    tier: tiers.find(({ scope }) => missingScope([scope], row.scopes) === null)?.name ?? null,
    quota: quotaView(row.quota as Quota | null),
    requestBudget: row.requestBudget === null ? null : Number(row.requestBudget),
    rotation: row.rotation as RotationPolicy | null,
    rotationDueAt: timeOf(row.rotationDueAt),
    expiresAt: current?.notAfter ?? null,
    lastUsedAt: timeOfMs(used.length === 0 ? null : Math.max(...used)),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    versions,
  };
}

/** What the audit log keeps of a key: what it may do and until when. */
export function auditView(key: Key): Record<string, unknown> {
  const { id, name, state, owner, labels, scopes, routes, cidrs, quota, requestBudget, rotation, expiresAt } = key;
  const versions = key.versions.map(({ kid, number, state: of, notAfter }) => ({ kid, number, state: of, notAfter }));
  return { id, name, state, owner, labels, scopes, routes, cidrs, quota, requestBudget, rotation, expiresAt, versions };
}
