import { formatKey, parseKey } from '@fluxgate/policy';

/** What a node starts with: who it is, and which signing key it may believe. */
export interface NodeToken {
  readonly realm: string;
  readonly kid: string;
  readonly secret: string;
  /** `publicKeyFingerprint` of the realm's signing key. */
  readonly fingerprint: string;
  /** The part that authenticates: `fgn_…` without the fingerprint. */
  readonly credential: string;
}

const FINGERPRINT = /^[0-9A-Za-z]{43}$/;

/** `fgn_<realm>_<kid>_<secret+crc>_<fingerprint43>` */
export function formatNodeToken(realm: string, kid: string, secret: string, fingerprint: string): string {
  return `${formatKey('n', realm, kid, secret)}_${fingerprint}`;
}

/** null: not a node token. */
export function parseNodeToken(text: string): NodeToken | null {
  if (text.length > 512) return null;
  const cut = text.lastIndexOf('_');
  if (cut < 0) return null;
  const credential = text.slice(0, cut);
  const fingerprint = text.slice(cut + 1);
  if (!FINGERPRINT.test(fingerprint)) return null;
  const key = parseKey(credential);
  if (!key.ok || key.kind !== 'n') return null;
  return { realm: key.realm, kid: key.kid, secret: key.secret, fingerprint, credential };
}
