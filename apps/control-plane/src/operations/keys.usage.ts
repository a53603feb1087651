import { liveVersions, type Quota, quotaWindow } from '@fluxgate/policy';
import { keyNotFound, readLineage, versionsOf } from '../keys/lineage.ts';
import { timeOf } from '../keys/view.ts';
import type { Handler } from './call.ts';

const dayMs = 86_400_000;
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/**
 * Counted requests by day and version, and where the quota of the current window stands. `allotted` is what nodes have
 * been lent; `used` what they have reported; the truth lies between the two.
 */
export const keysUsage: Handler<'keysUsage'> = async ({ realm, params, query, nowMs }, { db }) => {
  const name = params['key'] ?? '';
  const lineage = await readLineage(db.prisma, realm, name);
  if (lineage === null) return keyNotFound(name);
  const { row } = lineage;
  const kids = row.versions.map(({ kid }) => kid);
  const usage = await db.prisma.usageDay.findMany({ where: { realm, kid: { in: kids } } });
  const firstDay = dayOf(nowMs - (query.days - 1) * dayMs);
  const sum = (list: typeof usage) => ({
    allowed: list.reduce((total, { allowed }) => total + Number(allowed), 0),
    refused: list.reduce((total, { refused }) => total + Number(refused), 0),
  });
  const days = Array.from({ length: query.days }, (_, index) => dayOf(nowMs - (query.days - 1 - index) * dayMs));
  const recent = Map.groupBy(
    usage.filter(({ day }) => day >= firstDay),
    ({ day }) => day,
  );
  const live = new Set(liveVersions(versionsOf(lineage), nowMs).map(({ kid }) => kid));
  return {
    keyId: row.id,
    keyName: row.name,
    quota: await quotaUsage(row.quota as Quota | null),
    days: days.map((day) => ({ day, ...sum(recent.get(day) ?? []) })),
    versions: row.versions
      .filter(({ kid }) => live.has(kid) || usage.some((entry) => entry.kid === kid))
      .map(({ kid, number, lastUsedAt, budgetLimit, budgetAllotted }) => ({
        kid,
        number,
        ...sum(usage.filter((entry) => entry.kid === kid)),
        lastUsedAt: timeOf(lastUsedAt),
        budget: budgetLimit === null ? null : { limit: Number(budgetLimit), allotted: Number(budgetAllotted) },
      })),
  };

  async function quotaUsage(quota: Quota | null) {
    if (quota === null) return null;
    const window = quotaWindow(quota, nowMs);
    const counted = await db.prisma.quotaWindow.findUnique({
      where: { realm_credential_window: { realm, credential: row.number, window: window.id } },
    });
    const allotted = Number(counted?.allotted ?? 0);
    // Usage is kept by UTC day, so it can be compared with a window only where that is a day of UTC.
    const today =
      quota.window === 'day' && quota.zone === 'UTC' ? sum(usage.filter(({ day }) => day === dayOf(nowMs))).allowed : allotted;
    return {
      limit: quota.limit,
      window: window.id,
      used: Math.min(today, allotted),
      allotted,
      remaining: Math.max(0, quota.limit - allotted),
      resetsAt: new Date(window.endsAtMs).toISOString(),
    };
  }
};
