import type { ResponseOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { done, none } from '../../outcome.ts';

export const revoke = command<{ kid: string }, ResponseOf<'adminTokensRevoke'>, Pick<Needs, 'admin' | 'prompt' | 'settings'>>({
  options: (read) => ({ kid: read.args[0] ?? '' }),
  run: async ({ kid }, { admin, prompt, settings }) => {
    if (!settings.dryRun) await prompt.confirm(`End admin token ${kid}?`);
    return admin.call('adminTokensRevoke', { path: { kid } });
  },
  show: ({ view }) => ({ view: none, names: [view.kid], before: [done(`admin token ${view.name} (${view.kid}) ended`)] }),
});
