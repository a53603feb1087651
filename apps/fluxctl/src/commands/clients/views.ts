import type { IssuerClient } from '@fluxgate/protocol/admin';
import { type Column, grid, sheet, type View } from '../../outcome.ts';
import { showAgo, showDate, showDuration, showList, showTime } from '../../units.ts';

export const clientColumns = (nowMs: number): readonly Column<IssuerClient>[] => [
  { title: 'NAME', text: (client) => client.name },
  { title: 'CLIENT ID', text: (client) => client.clientId },
  { title: 'STATE', text: (client) => (client.enabled ? 'on' : 'off') },
  { title: 'SCOPES', text: (client) => showList(client.scopes) },
  { title: 'AUDIENCES', text: (client) => showList(client.audiences) },
  { title: 'USED', text: (client) => showAgo(client.lastUsedAt, nowMs) },
  { title: 'AUTH', text: (client) => client.authMethod, wide: true },
  { title: 'TTL', text: (client) => showDuration(client.tokenTtlMs), wide: true },
  { title: 'OWNER', text: (client) => client.owner ?? '-', wide: true },
  { title: 'CREATED', text: (client) => showDate(client.createdAt), wide: true },
];

const keysText = ({ jwks, jwksUri }: IssuerClient): string => jwksUri ?? (jwks === null ? '-' : `${jwks.keys.length} registered`);

export function clientSheet(client: IssuerClient, nowMs: number): View {
  return sheet(
    [
      ['Name', client.name],
      ['Client id', client.clientId],
      ['State', client.enabled ? 'on' : 'off'],
      ['Realm', client.realm],
      ['Owner', client.owner ?? '-'],
      ['Proves itself', client.authMethod],
      ['Public keys', keysText(client)],
      ['Scopes', showList(client.scopes)],
      ['Audiences', showList(client.audiences)],
      ['Token life', showDuration(client.tokenTtlMs)],
      ['Introspection', client.mayIntrospect ? 'of all tokens' : 'of its own tokens'],
      ['Last used', showAgo(client.lastUsedAt, nowMs)],
      ['Created', `${showTime(client.createdAt)} by ${client.createdBy}`],
    ],
    client.secrets.length === 0
      ? []
      : [
          grid(client.secrets, [
            { title: 'SECRET', text: (secret) => secret.secret },
            { title: 'ENDS', text: (secret) => showTime(secret.notAfter, 'never') },
            { title: 'USED', text: (secret) => showAgo(secret.lastUsedAt, nowMs) },
            { title: 'CREATED', text: (secret) => showTime(secret.createdAt) },
          ]),
        ],
  );
}
