import { timingSafeEqual } from 'node:crypto';
import { parseKey } from '@fluxgate/policy';
import { classifyDatabaseError, type Reader } from '@fluxgate/stores/postgres';
import type { TokenDigest } from './token-digest.ts';

export interface NodeHolder {
  readonly realm: string;
  readonly kid: string;
}

const nobody = Buffer.alloc(32);

/**
 * `fgn_<realm>_<kid>_<secret>` → who it belongs to; null: not a valid token. Throws `DatabaseUnavailable` when it cannot
 * be told: a node must hear 503 then, never 401.
 */
export function createNodeVerifier(
  db: Reader,
  digest: TokenDigest,
  nowMs: () => number,
): (token: string) => Promise<NodeHolder | null> {
  return async (text) => {
    const token = parseKey(text);
    if (!token.ok || token.kind !== 'n') return null;
    const row = await db.accessToken.findUnique({ where: { kid: token.kid } }).catch((error: unknown) => {
      throw classifyDatabaseError(error);
    });
    const known = row !== null && row.kind === 'node' && row.realm === token.realm && row.digest.length === 32;
    const proven = timingSafeEqual(known ? Buffer.from(row.digest) : nobody, digest('n', token.realm, token.kid, token.secret));
    if (!proven || !known || row.revokedAt !== null) return null;
    if (row.expiresAt !== null && row.expiresAt.getTime() <= nowMs()) return null;
    return { realm: row.realm, kid: row.kid };
  };
}
