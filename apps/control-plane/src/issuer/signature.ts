import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type Algorithm, agrees, type PublicJwk } from '@fluxgate/policy';

/** OpenSSL's view of a key; null: it will not have it (a point that is not on its curve, for one). */
function importKey({ material }: PublicJwk): KeyObject | null {
  try {
    return createPublicKey({ key: { ...material }, format: 'jwk' });
  } catch {
    return null;
  }
}

/** RFC 7518 §3.3–3.5, RFC 8037 §3.1. False for a key of another type, curve or `alg`, and for a signature of another length. */
export function verifiesWith(algorithm: Algorithm, jwk: PublicJwk, data: Buffer, signature: Uint8Array): boolean {
  if (!agrees(jwk, algorithm)) return false;
  const key = importKey(jwk);
  if (key === null) return false;
  const length = algorithm.signatureBytes ?? Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
  if (signature.length !== length) return false;
  switch (algorithm.scheme) {
    case 'pkcs1':
      return verify(algorithm.hash, data, key, signature);
    case 'pss': {
      const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
      return verify(algorithm.hash, data, { key, ...padding }, signature);
    }
    case 'ecdsa':
      return verify(algorithm.hash, data, { key, dsaEncoding: 'ieee-p1363' }, signature);
    case 'eddsa':
      return verify(null, data, key, signature);
  }
}
