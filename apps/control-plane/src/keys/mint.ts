import { encodeKid, encodeSecret, formatKey } from '@fluxgate/policy';
import { keyDigest } from '@fluxgate/protocol/sync';
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

export function mintKey(door: Door, realm: string, pepper: Pepper): Minted {
  const kid = encodeKid(door.randomBytes(16));
  const secret = encodeSecret(door.randomBytes(32));
  const plaintext = formatKey('k', realm, kid, secret);
  return {
    kid,
    digest: Uint8Array.from(keyDigest(pepper.bytes, kid, secret)),
    pepperVersion: pepper.version,
    lastFour: plaintext.slice(-4),
    plaintext,
  };
}
