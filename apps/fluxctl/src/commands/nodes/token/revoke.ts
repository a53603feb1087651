import type { ResponseOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../../command.ts';
import { done, none } from '../../../outcome.ts';

export const revoke = command<{ kid: string }, ResponseOf<'nodeTokensRevoke'>, Pick<Needs, 'admin' | 'prompt' | 'settings'>>({
  options: (read) => ({ kid: read.args[0] ?? '' }),
  run: async ({ kid }, { admin, prompt, settings }) => {
    if (!settings.dryRun) await prompt.confirm(`End node token ${kid}? Its nodes are cut off from new configuration.`);
    return admin.call('nodeTokensRevoke', { path: { kid } });
  },
  show: ({ view }) => ({ view: none, names: [view.kid], before: [done(`node token ${view.name} (${view.kid}) ended`)] }),
});
