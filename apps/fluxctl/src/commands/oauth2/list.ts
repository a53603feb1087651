import type { ResponseOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { gridView, plain } from '../../outcome.ts';
import { showList, showTime } from '../../units.ts';

export const list = command<null, ResponseOf<'oauth2List'>, Pick<Needs, 'admin'>>({
  options: () => null,
  run: (_options, { admin }) => admin.call('oauth2List'),
  show: ({ items }) => ({
    view: gridView(items, [
      { title: 'CLIENT ID', text: (client) => client.clientId },
      { title: 'NAME', text: (client) => client.name ?? '-' },
      { title: 'ISSUER', text: (client) => client.issuer ?? '-' },
      { title: 'SCOPES', text: (client) => showList(client.scopes) },
      { title: 'REDIRECTS', text: (client) => showList(client.redirectUris), wide: true },
      { title: 'UPDATED', text: (client) => showTime(client.updatedAt) },
    ]),
    names: items.map((client) => client.clientId),
    after:
      items.length > 0
        ? []
        : [plain('no OAuth2 clients'), plain('  Make one: fluxctl oauth2 configure --client-id ID --redirect URI --scope SCOPE')],
  }),
});
