import { encodeKid, encodeSecret, formatKey } from '@fluxgate/policy';
import type { Role, TokenView } from '@fluxgate/protocol/admin';
import { formatNodeToken, publicKeyFingerprint } from '@fluxgate/protocol/sync';
import type { Prisma, Reader } from '@fluxgate/stores/postgres';
import type { Door } from '../door.ts';
import type { TokenDigest } from './token-digest.ts';

export type TokenRow = Prisma.AccessTokenGetPayload<Record<never, never>>;

export interface TokenOrder {
  readonly realm: string;
  readonly name: string;
  /** `node` for node tokens. */
  readonly role: Role | 'node';
  readonly expiresInMs: number | null;
  readonly by: string;
  readonly nowMs: number;
}

export interface FreshToken {
  readonly row: Omit<TokenRow, 'digest'> & { readonly digest: Uint8Array<ArrayBuffer> };
  /** Given once, to whoever asked. */
  readonly text: string;
}

/** Makes a token; storing `row` is the caller's. A node token also carries which signing key the node may believe. */
export async function freshToken(order: TokenOrder, door: Door, digest: TokenDigest, db: Reader): Promise<FreshToken> {
  const node = order.role === 'node';
  const kid = encodeKid(door.randomBytes(16));
  const secret = encodeSecret(door.randomBytes(32));
  const row = {
    kid,
    kind: node ? 'node' : 'admin',
    realm: order.realm,
    name: order.name,
    role: order.role,
    digest: Uint8Array.from(digest(node ? 'n' : 'a', order.realm, kid, secret)),
    createdAt: new Date(order.nowMs),
    createdBy: order.by,
    expiresAt: order.expiresInMs === null ? null : new Date(order.nowMs + order.expiresInMs),
    revokedAt: null,
    lastUsedAt: null,
  };
  if (!node) return { row, text: formatKey('a', order.realm, kid, secret) };
  const { signingPublic } = await db.realm.findUniqueOrThrow({ where: { name: order.realm }, select: { signingPublic: true } });
  return { row, text: formatNodeToken(order.realm, kid, secret, publicKeyFingerprint(signingPublic)) };
}

export function tokenView(row: Omit<TokenRow, 'digest'>): TokenView {
  const { kid, kind, name, realm, role, createdBy } = row;
  return {
    kid,
    kind: kind === 'node' ? 'node' : 'admin',
    name,
    realm,
    role,
    createdAt: row.createdAt.toISOString(),
    createdBy,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
  };
}
