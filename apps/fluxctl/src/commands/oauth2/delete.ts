import type { Written } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { done, none, plain } from '../../outcome.ts';
import { converged, landing, writing } from '../../waiting.ts';

export const remove = command<
  { clientId: string },
  Written,
  Pick<Needs, 'admin' | 'settings' | 'waiting' | 'prompt' | 'now' | 'sleep'>
>({
  options: (read) => ({ clientId: read.args[0] ?? '' }),
  run: async ({ clientId }, needs) => {
    if (!needs.settings.dryRun) await needs.prompt.confirm(`Remove OAuth2 client ${clientId}?`);
    return converged(
      await needs.admin.call('oauth2Delete', { path: { clientId }, ...writing(needs.waiting, needs.settings) }),
      needs,
    );
  },
  show: (written, { clientId }, { settings }) => {
    const landed = landing(written.convergence, written.revision);
    return {
      view: none,
      names: [clientId],
      before: settings.dryRun
        ? [plain(`dry run: ${clientId} would be removed; nothing was changed`)]
        : [done(`${clientId} removed${landed.text === null ? '' : ` · ${landed.text}`}`), ...landed.lines],
      exit: landed.exit,
    };
  },
});
