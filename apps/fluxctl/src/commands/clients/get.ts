import type { IssuerClient } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { clientSheet } from './views.ts';

export const get = command<{ client: string }, IssuerClient, Pick<Needs, 'admin'>>({
  options: (read) => ({ client: read.args[0] ?? '' }),
  run: ({ client }, { admin }) => admin.call('clientsGet', { path: { client } }),
  show: (client, _options, { nowMs }) => ({ view: clientSheet(client, nowMs), names: [client.clientId] }),
});
