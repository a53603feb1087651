import type { IssuerClient } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { done, none, plain } from '../../outcome.ts';
import { showDuration } from '../../units.ts';
import { rehearsal } from './minting.ts';

export const remove = command<{ client: string }, { client: IssuerClient }, Pick<Needs, 'admin' | 'settings' | 'prompt'>>({
  options: (read) => ({ client: read.args[0] ?? '' }),
  run: async ({ client }, { admin, settings, prompt }) => {
    if (!settings.dryRun) await prompt.confirm(`Remove client ${client} and its secrets?`);
    return admin.call('clientsDelete', { path: { client }, ...rehearsal(settings) });
  },
  show: ({ client }, _options, { settings }) => ({
    view: none,
    names: [client.clientId],
    before: settings.dryRun
      ? [plain(`dry run: client ${client.name} would be removed; nothing was changed`)]
      : [
          done(`client ${client.name} (${client.clientId}) removed`),
          plain(`  verifiers that do not introspect believe its last token for up to ${showDuration(client.tokenTtlMs)}`),
        ],
  }),
});
