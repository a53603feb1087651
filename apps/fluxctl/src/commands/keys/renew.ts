import type { WrittenKey } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { done, none, plain } from '../../outcome.ts';
import { converged, landing, writing } from '../../waiting.ts';
import { expiresText } from './views.ts';

export const renew = command<
  { key: string; expiresInMs: number | undefined },
  WrittenKey,
  Pick<Needs, 'admin' | 'settings' | 'waiting' | 'now' | 'sleep'>
>({
  options: (read) => ({ key: read.args[0] ?? '', expiresInMs: read.expiryMs('expiry') }),
  run: async ({ key, expiresInMs }, needs) =>
    converged(
      await needs.admin.call('keysRenew', {
        path: { key },
        body: expiresInMs === undefined ? {} : { expiresInMs },
        ...writing(needs.waiting, needs.settings),
      }),
      needs,
    ),
  show: ({ key, convergence, revision }, _options, { nowMs, settings }) => {
    const landed = landing(convergence, revision);
    const facts = [expiresText(key.expiresAt, nowMs), ...(landed.text === null ? [] : [landed.text])].join(' · ');
    return {
      view: none,
      names: [key.id],
      before: settings.dryRun
        ? [plain(`dry run: ${key.name} would be renewed: ${facts}; nothing was changed`)]
        : [done(`${key.name} renewed · ${facts} · the secret stays the same`), ...landed.lines],
      exit: landed.exit,
    };
  },
});
