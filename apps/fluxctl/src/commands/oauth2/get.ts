import type { OAuth2Client } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { clientSheet } from './views.ts';

export const get = command<{ clientId: string }, OAuth2Client, Pick<Needs, 'admin'>>({
  options: (read) => ({ clientId: read.args[0] ?? '' }),
  run: ({ clientId }, { admin }) => admin.call('oauth2Get', { path: { clientId } }),
  show: (client) => ({ view: clientSheet(client), names: [client.clientId] }),
});
