import type { OAuth2Client } from '@fluxgate/protocol/admin';
import { sheet, type View } from '../../outcome.ts';
import { showList, showTime } from '../../units.ts';

export const clientSheet = (client: OAuth2Client): View =>
  sheet([
    ['Client id', client.clientId],
    ['Name', client.name ?? '-'],
    ['Issuer', client.issuer ?? '-'],
    ['Redirects', showList(client.redirectUris)],
    ['Scopes', showList(client.scopes)],
    ['Secret', client.clientSecretRef ?? '-'],
    ['Updated', showTime(client.updatedAt)],
    ['Revision', String(client.revision)],
  ]);
