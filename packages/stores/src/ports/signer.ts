/** RFC 7518 §3.1: what an issuer may sign with. */
export type SigningAlgorithm = 'ES256' | 'ES384' | 'RS256';

/** RFC 7517. Public members only. */
export type PublicSigningJwk = (
  | { readonly kty: 'EC'; readonly crv: 'P-256' | 'P-384'; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
) & { readonly kid: string; readonly use: 'sig'; readonly alg: SigningAlgorithm };

/** The signer holds no key of this name (any more), or cannot open it. A fault: a ring names only keys that were generated. */
export class SigningKeyMissing extends Error {
  override readonly name = 'SigningKeyMissing';
}

/** The signer is out of reach (Vault sealed or away). Callers answer 503. Nothing was signed or made. */
export class SignerUnavailable extends Error {
  override readonly name = 'SignerUnavailable';
}

/**
 * Keeps the private halves of one realm's issuer keys and never lets them out: there is no way to read a key. All replicas of a
 * deployment see the same keys. Errors: `SigningKeyMissing`, `SignerUnavailable`, `DatabaseUnavailable`, `SecretUnreadable`.
 */
export interface Signer {
  /** Recorded beside each key of a ring, so that keys of two signers can follow one another. */
  readonly name: 'local' | 'vault';
  /** Makes a key pair and keeps the private half durably before it answers. `kid` is not guessable and never used again. */
  generate(algorithm: SigningAlgorithm): Promise<PublicSigningJwk>;
  /** JWS signature bytes (RFC 7518 §3.3, §3.4: for ES* R ‖ S at full length) over `signingInput`. */
  sign(kid: string, signingInput: Uint8Array): Promise<Uint8Array>;
  /** Destroys the private half. Unknown kids are ignored. */
  forget(kid: string): Promise<void>;
  /** Keys it holds, with when they were made; for tidying away what no ring names. */
  list(): Promise<readonly { readonly kid: string; readonly createdAtMs: number }[]>;
}
