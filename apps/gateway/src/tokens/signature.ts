import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Algorithm, PublicJwk } from '@fluxgate/policy';

/** A public key that is ready: imported when its set arrived, long before a token needs it. */
export interface VerifyKey {
  readonly jwk: PublicJwk;
  readonly key: KeyObject;
  /** Bytes of an RSA modulus, and so of its signatures; 0 for other types. */
  readonly modulusBytes: number;
}

/** null: OpenSSL will not have it (a point that is not on its curve, for one). */
export function importKey(jwk: PublicJwk): VerifyKey | null {
  try {
    const key = createPublicKey({ key: { ...jwk.material }, format: 'jwk' });
    const modulusBytes = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
    return { jwk, key, modulusBytes };
  } catch {
    return null;
  }
}

/**
 * RFC 7518 §3.3–3.5, RFC 8037 §3.1. The algorithm is the one that the check pinned and the key agreed with. ECDSA signatures are R ‖ S of the
 * full length; a zero in either is refused by OpenSSL (CVE-2022-21449 was a library that did not).
 */
export function verifySignature(
  algorithm: Algorithm,
  { key, modulusBytes }: VerifyKey,
  data: Buffer,
  signature: Uint8Array,
): boolean {
  if (signature.length !== (algorithm.signatureBytes ?? modulusBytes)) return false;
  switch (algorithm.scheme) {
    case 'pkcs1':
      return verify(algorithm.hash, data, key, signature);
    case 'pss':
      return verify(
        algorithm.hash,
        data,
        { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
        signature,
      );
    case 'ecdsa':
      return verify(algorithm.hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
    case 'eddsa':
      return verify(null, data, key, signature);
  }
}
