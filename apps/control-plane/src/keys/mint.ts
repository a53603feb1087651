import { encodeKid, encodeSecret, formatKey, formatSigningSecret, type GrantSigning } from '@fluxgate/policy';
import { keyDigest, signingSecret } from '@fluxgate/protocol/sync';
import type { Door } from '../door.ts';
import type { Pepper } from './pepper.ts';

/** A new version: what is stored, and the one text that only its owner gets. */
export interface Minted {
  readonly kid: string;
  readonly digest: Uint8Array<ArrayBuffer>;
  readonly pepperVersion: number;
  readonly lastFour: string;
  /** The whole key. Goes into one answer or one delivery and nowhere else. */
  readonly plaintext: string;
}

/**
 * A credential that signs with a secret gets that secret in place of a key: the key itself is forgotten here, so nobody can show it, and
 * what its owner holds never travels.
 */
export function mintKey(door: Door, realm: string, pepper: Pepper, signing: GrantSigning | undefined): Minted {
  const kid = encodeKid(door.randomBytes(16));
  const secret = encodeSecret(door.randomBytes(32));
  const digest = Uint8Array.from(keyDigest(pepper.bytes, kid, secret));
  const plaintext =
    signing?.algorithm === 'hmac-sha256'
      ? formatSigningSecret(realm, kid, signingSecret(pepper.bytes, kid, digest))
      : formatKey('k', realm, kid, secret);
  return {
    kid,
    digest,
    pepperVersion: pepper.version,
    lastFour: plaintext.slice(-4),
    plaintext,
  };
}
