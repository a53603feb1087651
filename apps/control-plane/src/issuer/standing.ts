import type { Services } from '../services.ts';
import { type AccessClaims, readOwnToken } from './access-token.ts';
import type { Ask } from './desk.ts';

/** A token of this issuer that still stands: signed, not ended, not revoked, its client there and switched on. null: anything else. */
export async function standingToken({ db }: Pick<Services, 'db'>, ask: Ask, token: string): Promise<AccessClaims | null> {
  const claims = readOwnToken(token, ask.ring, ask.addresses.issuer, ask.nowMs);
  if (claims === null) return null;
  const [revoked, client] = await Promise.all([
    db.prisma.revokedToken.count({ where: { realm: ask.realm, jti: claims.jti } }),
    db.prisma.oauthClient.findFirst({ where: { realm: ask.realm, clientId: claims.client_id }, select: { enabled: true } }),
  ]);
  return revoked === 0 && client?.enabled === true ? claims : null;
}
