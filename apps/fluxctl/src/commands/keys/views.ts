import type { Key, QuotaSpec, RotationPolicy } from '@fluxgate/protocol/admin';
import { type Column, grid, sheet, type View } from '../../outcome.ts';
import { showAgo, showDate, showDistance, showDuration, showList, showQuota, showTime } from '../../units.ts';

/** How keys look in tables; every cell is a projection of the JSON document. */
export const keyColumns = (nowMs: number): readonly Column<Key>[] => [
  { title: 'NAME', text: (key) => key.name },
  {
    title: 'STATE',
    text: (key) => (key.rotationDueAt !== null && Date.parse(key.rotationDueAt) <= nowMs ? `${key.state}, due` : key.state),
  },
  { title: 'SCOPES', text: (key) => showList(key.scopes) },
  { title: 'QUOTA', text: (key) => showQuota(key.quota) },
  { title: 'EXPIRES', text: (key) => showDate(key.expiresAt) },
  { title: 'USED', text: (key) => showAgo(key.lastUsedAt, nowMs) },
  { title: 'ID', text: (key) => key.id },
  { title: 'KEY', text: (key) => key.key, wide: true },
  { title: 'OWNER', text: (key) => key.owner ?? '-', wide: true },
  { title: 'TIER', text: (key) => key.tier ?? '-', wide: true },
  { title: 'ROUTES', text: (key) => showList(key.routes, 'any'), wide: true },
  { title: 'FROM', text: (key) => (key.cidrs?.length === 0 ? 'nowhere' : showList(key.cidrs, 'any')), wide: true },
  { title: 'CREATED', text: (key) => showDate(key.createdAt), wide: true },
];

export const expiresText = (at: string | null, nowMs: number): string =>
  at === null ? 'never expires' : `expires ${showDate(at)} (${showDistance(at, nowMs)})`;
export const quotaText = (quota: QuotaSpec | null): string => (quota === null ? 'no quota' : `quota ${showQuota(quota)}`);
const rotationText = (policy: RotationPolicy | null): string =>
  policy === null
    ? 'by hand'
    : `every ${showDuration(policy.everyMs)}, grace ${showDuration(policy.graceMs)}${policy.deliver === null ? '' : `, delivered to ${policy.deliver}`}`;

export function keySheet(key: Key, nowMs: number): View {
  const labels = Object.entries(key.labels).map(([name, value]) => `${name}=${value}`);
  return sheet(
    [
      ['Name', key.name],
      ['Id', key.id],
      ['Key', key.key],
      ['State', key.state],
      ['Realm', key.realm],
      ['Owner', key.owner ?? '-'],
      ['Labels', showList(labels)],
      ['Scopes', showList(key.scopes)],
      ['Routes', showList(key.routes, 'any')],
      ['From', key.cidrs?.length === 0 ? 'nowhere' : showList(key.cidrs, 'any')],
      ['Tier', key.tier ?? '-'],
      ['Quota', showQuota(key.quota)],
      ['Budget', key.requestBudget === null ? 'unlimited' : `${key.requestBudget} requests per version`],
      ['Rotation', rotationText(key.rotation)],
      ['Rotation due', showTime(key.rotationDueAt)],
      ['Expires', key.expiresAt === null ? 'never' : `${showTime(key.expiresAt)} (${showDistance(key.expiresAt, nowMs)})`],
      ['Last used', showAgo(key.lastUsedAt, nowMs)],
      ['Created', showTime(key.createdAt)],
    ],
    [
      grid(key.versions, [
        { title: 'VERSION', text: (version) => String(version.number) },
        { title: 'KID', text: (version) => version.kid },
        { title: 'STATE', text: (version) => version.state },
        { title: 'ENDS', text: (version) => showTime(version.endedAt ?? version.notAfter, 'never') },
        { title: 'USED', text: (version) => showAgo(version.lastUsedAt, nowMs) },
        { title: 'FROM', text: (version) => version.lastAddress ?? '-' },
        {
          title: 'BUDGET',
          text: (version) => (version.budget === null ? '-' : `${version.budget.allotted}/${version.budget.limit}`),
        },
        { title: 'REASON', text: (version) => version.reason ?? '-', wide: true },
        { title: 'AGENT', text: (version) => version.lastUserAgent ?? '-', wide: true },
      ]),
    ],
  );
}
