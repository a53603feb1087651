import { createHmac } from 'node:crypto';
import type { Kek } from '@fluxgate/stores/secrets';

/** Digest under which an admin token, a node token or a client secret is stored and looked up. */
export type TokenDigest = (kind: 'a' | 'n' | 'c', realm: string, kid: string, secret: string) => Buffer;

/**
 * HMAC-SHA-256 under a key derived from the KEK: a row planted in the database by somebody who lacks the KEK verifies
 * nothing, and a digest cannot be moved to another kind, realm or kid.
 */
export function createTokenDigest(kek: Pick<Kek, 'derive'>): TokenDigest {
  const key = kek.derive('fluxgate/access-token/1');
  return (kind, realm, kid, secret) => createHmac('sha256', key).update([kind, realm, kid, secret].join('\0'), 'latin1').digest();
}
