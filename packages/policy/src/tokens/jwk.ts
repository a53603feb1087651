import { type Algorithm, algorithmOf } from './algorithms.ts';
import { decodeBase64url } from './base64url.ts';
import { isObject, type JsonObject } from './members.ts';

/** A public key that may verify, cut down to the members that make it. Ready for `createPublicKey({ format: 'jwk' })`. */
export interface PublicJwk {
  readonly kid: string | null;
  /** The one algorithm the key is for; null: any that its type allows. */
  readonly alg: string | null;
  readonly material:
    | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
    | { readonly kty: 'EC'; readonly crv: string; readonly x: string; readonly y: string }
    | { readonly kty: 'OKP'; readonly crv: string; readonly x: string };
}

export interface KeySet {
  readonly keys: readonly PublicJwk[];
  /** Keys that were left out, and why; the others work. */
  readonly ignored: readonly { readonly kid: string | null; readonly why: string }[];
}

const KEYS_MAX = 100;
const KID_CHARS_MAX = 512;
const RSA_BITS_MIN = 2048;
/** A verification costs with the square of the modulus. */
const RSA_BITS_MAX = 8192;
const COORDINATE_BYTES: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 };

/**
 * RFC 7517 §5. What is wrong with one key costs that key only; null means that the document is no key set at all, or an empty
 * one: then whatever was known before stays in force.
 */
export function readKeySet(document: unknown): KeySet | null {
  if (!isObject(document)) return null;
  const list = document['keys'];
  if (!Array.isArray(list)) return null;
  const keys: PublicJwk[] = [];
  const ignored: { kid: string | null; why: string }[] = [];
  const seen = new Set<string>();
  for (const [i, one] of list.entries()) {
    if (i >= KEYS_MAX) {
      ignored.push({ kid: null, why: `more than ${KEYS_MAX} keys` });
      break;
    }
    const key = readJwk(one);
    if (typeof key === 'string') {
      const kid = isObject(one) && typeof one['kid'] === 'string' ? one['kid'].slice(0, KID_CHARS_MAX) : null;
      ignored.push({ kid, why: key });
      continue;
    }
    const identity = JSON.stringify(key);
    if (!seen.has(identity)) keys.push(key);
    seen.add(identity);
  }
  return keys.length === 0 ? null : { keys, ignored };
}

/** The key, or why it is not used. */
export function readJwk(jwk: unknown): PublicJwk | string {
  if (!isObject(jwk)) return 'no JSON object';
  const { kid, alg, use, key_ops: operations } = jwk;
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > KID_CHARS_MAX)) return 'kid is no text of reasonable length';
  // RFC 7517 §4.2, §4.3: both, if present, must allow it.
  if (use !== undefined && use !== 'sig') return 'not meant for signatures (use)';
  if (operations !== undefined && !allowsVerifying(operations)) return 'not meant for verifying (key_ops)';
  if ('d' in jwk || 'p' in jwk || 'k' in jwk) return 'holds private or secret parts';
  if (alg !== undefined && typeof alg !== 'string') return 'alg is no text';
  const material = materialOf(jwk);
  if (typeof material === 'string') return material;
  const key: PublicJwk = { kid: kid ?? null, alg: alg ?? null, material };
  if (alg !== undefined) {
    const algorithm = algorithmOf(alg);
    if (algorithm === null || !agrees(key, algorithm)) return 'its alg does not go with its type';
  }
  return key;
}

/** RFC 7517 §4.3: texts, none of them twice. */
function allowsVerifying(operations: unknown): boolean {
  if (!Array.isArray(operations) || new Set(operations).size !== operations.length) return false;
  return operations.every((one) => typeof one === 'string') && operations.includes('verify');
}

function materialOf(jwk: JsonObject): PublicJwk['material'] | string {
  switch (jwk['kty']) {
    case 'RSA':
      return rsaMaterial(jwk['n'], jwk['e']);
    case 'EC': {
      const { crv, x, y } = jwk;
      const length = typeof crv === 'string' && Object.hasOwn(COORDINATE_BYTES, crv) ? COORDINATE_BYTES[crv] : undefined;
      if (length === undefined) return 'unknown curve';
      // RFC 7518 §6.2.1.2: always the full length of the field.
      if (!hasBytes(x, length) || !hasBytes(y, length)) return 'coordinates of the wrong length';
      return { kty: 'EC', crv: crv as string, x, y };
    }
    case 'OKP': {
      const { crv, x } = jwk;
      if (crv !== 'Ed25519') return 'unknown curve';
      return hasBytes(x, 32) ? { kty: 'OKP', crv, x } : 'a public key of the wrong length';
    }
    default:
      return 'unknown key type';
  }
}

function rsaMaterial(n: unknown, e: unknown): PublicJwk['material'] | string {
  const modulus = typeof n === 'string' ? decodeBase64url(n) : null;
  const exponent = typeof e === 'string' ? decodeBase64url(e) : null;
  if (modulus === null || exponent === null) return 'n or e is not base64url';
  const bits = bitsOf(modulus);
  if (bits < RSA_BITS_MIN) return `RSA below ${RSA_BITS_MIN} bits`;
  if (bits > RSA_BITS_MAX) return `RSA above ${RSA_BITS_MAX} bits`;
  // An even exponent is no RSA, 1 makes every signature its own message; above 2^32 it only costs time.
  const exponentBits = bitsOf(exponent);
  if (exponentBits < 2 || exponentBits > 33 || ((exponent.at(-1) as number) & 1) === 0) return 'an RSA exponent that nobody uses';
  if (isRoca(modulus)) return 'an RSA key of a generator whose keys can be factored (CVE-2017-15361)';
  return { kty: 'RSA', n: n as string, e: e as string };
}

/** Small primes, each with its residues that are powers of 65537: a modulus that lies among them for every prime was made by that generator. */
const ROCA_MARKS: readonly (readonly [prime: number, powers: ReadonlySet<number>])[] = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131,
  137, 139, 149, 151, 157, 163, 167,
].map((prime) => {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * (65_537 % prime)) % prime) powers.add(power);
  return [prime, powers] as const;
});

function isRoca(modulus: Uint8Array): boolean {
  return ROCA_MARKS.every(([prime, powers]) => powers.has(modulus.reduce((rest, byte) => (rest * 256 + byte) % prime, 0)));
}

function hasBytes(text: unknown, length: number): text is string {
  return typeof text === 'string' && decodeBase64url(text)?.length === length;
}

function bitsOf(bytes: Uint8Array): number {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first] as number) + 24;
}

/** Type, curve and `alg` of the key against the algorithm of the token: confusing one for another ends here. */
export function agrees(key: PublicJwk, algorithm: Algorithm): boolean {
  if (key.material.kty !== algorithm.kty) return false;
  if (algorithm.curve !== null && (key.material.kty === 'RSA' || key.material.crv !== algorithm.curve)) return false;
  return key.alg === null || key.alg === algorithm.name || (algorithm.scheme === 'eddsa' && isEd(key.alg));
}

/** RFC 9864 gave EdDSA with Ed25519 a name of its own; both name the same computation. */
const isEd = (name: string): boolean => name === 'EdDSA' || name === 'Ed25519';
