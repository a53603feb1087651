/** RFC 7518 §3.1, RFC 8037, RFC 9864. Asymmetric only: `none` and HS* do not exist here, so nothing can switch them on. */

export interface Algorithm {
  readonly name: string;
  readonly kty: 'RSA' | 'EC' | 'OKP';
  /** Curve the key must have; null for RSA. */
  readonly curve: string | null;
  readonly scheme: 'pkcs1' | 'pss' | 'ecdsa' | 'eddsa';
  /** Digest; null where the scheme brings its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  /** Length of a signature; null: that of the modulus. */
  readonly signatureBytes: number | null;
}

const rsa = (name: string, scheme: 'pkcs1' | 'pss', hash: Algorithm['hash']): Algorithm =>
  Object.freeze({ name, kty: 'RSA', curve: null, scheme, hash, signatureBytes: null });
const ec = (name: string, curve: string, hash: Algorithm['hash'], signatureBytes: number): Algorithm =>
  Object.freeze({ name, kty: 'EC', curve, scheme: 'ecdsa', hash, signatureBytes });
const ed = (name: string): Algorithm =>
  Object.freeze({ name, kty: 'OKP', curve: 'Ed25519', scheme: 'eddsa', hash: null, signatureBytes: 64 });

const KNOWN: ReadonlyMap<string, Algorithm> = new Map(
  [
    rsa('RS256', 'pkcs1', 'sha256'),
    rsa('RS384', 'pkcs1', 'sha384'),
    rsa('RS512', 'pkcs1', 'sha512'),
    rsa('PS256', 'pss', 'sha256'),
    rsa('PS384', 'pss', 'sha384'),
    rsa('PS512', 'pss', 'sha512'),
    ec('ES256', 'P-256', 'sha256', 64),
    ec('ES384', 'P-384', 'sha384', 96),
    ec('ES512', 'P-521', 'sha512', 132),
    ed('EdDSA'),
    ed('Ed25519'),
  ].map((one) => [one.name, one]),
);

/** Names are case-sensitive (RFC 7515 §4.1.1). null: unknown, and therefore refused. */
export function algorithmOf(name: string): Algorithm | null {
  return KNOWN.get(name) ?? null;
}
