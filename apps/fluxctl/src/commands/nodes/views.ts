import type { Node, TokenView } from '@fluxgate/protocol/admin';
import type { Column } from '../../outcome.ts';
import { showDate, showDistance, showTime } from '../../units.ts';

const stateText = (node: Node): string => {
  if (node.quarantined.length > 0)
    return `${node.state}: ${node.quarantined.map((one) => `${one.kind}/${one.id} held (${one.why})`).join(', ')}`;
  return node.state;
};

export const nodeColumns = (nowMs: number): readonly Column<Node>[] => [
  { title: 'NODE', text: (node) => node.name },
  { title: 'REVISION', text: (node) => String(node.applied) },
  { title: 'BEHIND', text: (node) => (node.lag === 0 ? '-' : String(node.lag)) },
  { title: 'SEEN', text: (node) => `${showDistance(node.lastSeenAt, nowMs)} ago` },
  { title: 'DURABLE', text: (node) => String(node.durable), wide: true },
  { title: 'VERSION', text: (node) => node.version, wide: true },
  { title: 'SINCE', text: (node) => showDate(node.firstSeenAt), wide: true },
  { title: 'STATE', text: stateText },
];

export const tokenColumns: readonly Column<TokenView>[] = [
  { title: 'KID', text: (token) => token.kid },
  { title: 'NAME', text: (token) => token.name },
  { title: 'ROLE', text: (token) => token.role },
  { title: 'STATE', text: (token) => (token.revokedAt === null ? 'active' : 'revoked') },
  { title: 'EXPIRES', text: (token) => showDate(token.expiresAt) },
  { title: 'USED', text: (token) => showTime(token.lastUsedAt, 'never') },
  { title: 'CREATED', text: (token) => showTime(token.createdAt), wide: true },
  { title: 'BY', text: (token) => token.createdBy, wide: true },
  { title: 'REALM', text: (token) => token.realm, wide: true },
];
