import { algorithmOf, isObject, type JsonObject, published, readCompactJws, readJwk } from '@fluxgate/policy';
import type { Issuer } from './issuer.ts';
import type { IssuerRing } from './ring.ts';
import { verifiesWith } from './signature.ts';

/** RFC 9068 §2.2. Times in seconds since 1970. */
export interface AccessClaims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly jti: string;
  readonly client_id: string;
  readonly scope?: string;
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value), 'utf8').toString('base64url');

/** A JWS in compact form, signed by the current key of the ring; the private half is with the signer. Throws what the signer throws. */
export async function signAccessToken(issuer: Issuer, realm: string, ring: IssuerRing, claims: AccessClaims): Promise<string> {
  const { kid, jwk, signer: name } = ring.current;
  const signer = issuer.signerNamed(realm, name) ?? issuer.signerFor(realm);
  const input = `${encode({ alg: jwk.alg, typ: 'at+jwt', kid })}.${encode(claims)}`;
  const signature = await signer.sign(kid, Buffer.from(input, 'ascii'));
  return `${input}.${Buffer.from(signature).toString('base64url')}`;
}

/**
 * The claims of a token that this issuer signed with a key it still publishes and that has not ended; null for everything else.
 * Nothing is looked up beside the ring: revocation and the client are the caller's.
 */
export function readOwnToken(token: string, ring: IssuerRing, issuerUrl: string, nowMs: number): AccessClaims | null {
  const jws = readCompactJws(token);
  if (!jws.ok || jws.typ !== 'at+jwt' || jws.kid === null) return null;
  const key = published(ring).find(({ kid }) => kid === jws.kid);
  const algorithm = algorithmOf(jws.alg);
  if (key === undefined || algorithm === null || key.jwk.alg !== jws.alg) return null;
  const jwk = readJwk(key.jwk);
  if (typeof jwk === 'string') return null;
  if (!verifiesWith(algorithm, jwk, Buffer.from(token.slice(0, jws.signedChars), 'ascii'), jws.signature)) return null;
  return isAccessClaims(jws.claims) && jws.claims.iss === issuerUrl && jws.claims.exp * 1000 > nowMs ? jws.claims : null;
}

function isAccessClaims(claims: JsonObject): claims is JsonObject & AccessClaims {
  const texts = ['iss', 'sub', 'jti', 'client_id'].every((name) => typeof claims[name] === 'string');
  const times = ['exp', 'iat'].every((name) => Number.isSafeInteger(claims[name]));
  return isObject(claims) && texts && times && (claims['scope'] === undefined || typeof claims['scope'] === 'string');
}
