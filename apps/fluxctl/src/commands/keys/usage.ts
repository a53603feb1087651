import type { KeyUsage } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { grid, sheet } from '../../outcome.ts';
import { showAgo, showTime } from '../../units.ts';

export const usage = command<{ key: string; days: number | undefined }, KeyUsage, Pick<Needs, 'admin'>>({
  options: (read) => {
    const days = read.count('days');
    if (days !== undefined && (days < 1 || days > 90)) read.wrong('days', 'must be from 1 to 90');
    return { key: read.args[0] ?? '', days };
  },
  run: ({ key, days }, { admin }) => admin.call('keysUsage', { path: { key }, query: days === undefined ? {} : { days } }),
  show: ({ keyId, keyName, quota, days, versions }, _options, { nowMs }) => ({
    names: [keyId],
    view: sheet(
      [
        ['Key', `${keyName} (${keyId})`],
        [
          'Quota',
          quota === null ? 'unlimited' : `${quota.used} of ${quota.limit} used in ${quota.window}, ${quota.remaining} left`,
        ],
        ['Resets', quota === null ? '-' : showTime(quota.resetsAt)],
      ],
      [
        grid(days, [
          { title: 'DAY', text: (day) => day.day },
          { title: 'ALLOWED', text: (day) => String(day.allowed) },
          { title: 'REFUSED', text: (day) => String(day.refused) },
        ]),
        grid(versions, [
          { title: 'VERSION', text: (version) => String(version.number) },
          { title: 'KID', text: (version) => version.kid },
          { title: 'ALLOWED', text: (version) => String(version.allowed) },
          { title: 'REFUSED', text: (version) => String(version.refused) },
          { title: 'USED', text: (version) => showAgo(version.lastUsedAt, nowMs) },
          {
            title: 'BUDGET',
            text: (version) => (version.budget === null ? '-' : `${version.budget.allotted}/${version.budget.limit}`),
          },
        ]),
      ],
    ),
  }),
});
