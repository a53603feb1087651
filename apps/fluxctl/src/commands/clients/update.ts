import type { IssuerClient, UpdateIssuerClient } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { done, none, plain } from '../../outcome.ts';
import { rehearsal } from './minting.ts';
import { readJwks, readTerms, type Terms } from './terms.ts';

interface Options {
  readonly client: string;
  readonly body: UpdateIssuerClient;
  readonly jwksFile: Terms['jwksFile'];
}

export const update = command<Options, { client: IssuerClient }, Pick<Needs, 'admin' | 'settings' | 'files'>>({
  options: (read) => {
    const { body, jwksFile } = readTerms(read);
    const [introspect, enabled] = [read.choice('introspect'), read.choice('enabled')];
    return {
      client: read.args[0] ?? '',
      body: {
        ...body,
        ...(introspect === undefined ? {} : { mayIntrospect: introspect }),
        ...(enabled === undefined ? {} : { enabled }),
      },
      jwksFile,
    };
  },
  run: async ({ client, body, jwksFile }, { admin, settings, files }) =>
    admin.call('clientsUpdate', {
      path: { client },
      body: { ...body, ...(await readJwks(jwksFile, { files })) },
      ...rehearsal(settings),
    }),
  show: ({ client }, _options, { settings }) => ({
    view: none,
    names: [client.clientId],
    before: [
      settings.dryRun
        ? plain(`dry run: client ${client.name} would be changed; nothing was changed`)
        : done(`client ${client.name} changed${client.enabled ? '' : '; it is switched off, its tokens end at introspection'}`),
    ],
  }),
});
