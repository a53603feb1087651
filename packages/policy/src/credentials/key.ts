import { BASE62_DIGITS, encodeBase62, encodeChecksum } from './base62.ts';
import { CRC_TABLE, crc32 } from './crc32.ts';

/**
 * `fg<kind>_<realm>_<kid:12>_<secret:43><crc:6>`: the CRC covers everything before it, prefix and realm included, so a
 * mistyped or re-labelled key is refused without a look-up. It is no security control; the HMAC is.
 */

/** k API key · c OAuth client secret · a admin token · n node token · s signing secret. */
export type KeyKind = 'k' | 'c' | 'a' | 'n' | 's';

export interface ParsedKey {
  readonly ok: true;
  readonly kind: KeyKind;
  readonly realm: string;
  /** 12 base62 characters, public. */
  readonly kid: string;
  /** 43 base62 characters. Never logged. */
  readonly secret: string;
}
/** shape: not this format at all. kind, realm: well formed, but not what was asked for. checksum: mistyped or cut. */
export interface KeyFault {
  readonly ok: false;
  readonly fault: 'shape' | 'kind' | 'realm' | 'checksum';
}

export const REALM_PATTERN = /^[a-z0-9]{2,10}$/;
/**
 * For scanners and redactors: finds every FluxGate credential inside a text, node tokens (which carry a fingerprint behind)
 * included. No flags, hence no state; take `new RegExp(KEY_PATTERN, 'g')` to find all.
 */
export const KEY_PATTERN =
  /(?<![0-9A-Za-z])fg[kcans]_[a-z0-9]{2,10}_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}(?:_[0-9A-Za-z]{43})?(?![0-9A-Za-z])/;

const KID_LENGTH = 12;
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
/** `fgk_` + `_` + kid + `_` + secret + checksum: the length without the realm. */
const FIXED_LENGTH = 4 + 1 + KID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;
const UNDERSCORE = 0x5f;
const NONE = 255;

/** Value of a base62 digit by character code; NONE for every other code below 128. */
const DIGIT: Uint8Array = (() => {
  const table = new Uint8Array(128).fill(NONE);
  for (let value = 0; value < 62; value += 1) table[BASE62_DIGITS.charCodeAt(value)] = value;
  return table;
})();

const SHAPE: KeyFault = Object.freeze({ ok: false, fault: 'shape' });
const KIND: KeyFault = Object.freeze({ ok: false, fault: 'kind' });
const REALM: KeyFault = Object.freeze({ ok: false, fault: 'realm' });
const CHECKSUM: KeyFault = Object.freeze({ ok: false, fault: 'checksum' });

/**
 * One pass over a text whose length fits: charset, separators and CRC together, nothing allocated until it holds.
 * `realmEnd` is the index of the underscore behind the realm.
 */
function body(text: string, kind: KeyKind, realm: string, realmEnd: number): ParsedKey | KeyFault {
  const kidStart = realmEnd + 1;
  const secretStart = kidStart + KID_LENGTH + 1;
  const checksumStart = secretStart + SECRET_LENGTH;
  let crc = -1;
  for (let i = 0; i < kidStart; i += 1) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ text.charCodeAt(i)) & 0xff] as number);
  for (let i = kidStart; i < checksumStart; i += 1) {
    const code = text.charCodeAt(i);
    if (i === secretStart - 1 ? code !== UNDERSCORE : code > 127 || DIGIT[code] === NONE) return SHAPE;
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ code) & 0xff] as number);
  }
  crc = (crc ^ -1) >>> 0;
  let claimed = 0;
  for (let i = checksumStart; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 127) return SHAPE;
    const digit = DIGIT[code] as number;
    if (digit === NONE) return SHAPE;
    claimed = claimed * 62 + digit; // at most 62^6 < 2^53: exact, and six digits above 2^32 equal no CRC
  }
  if (claimed !== crc) return CHECKSUM;
  return {
    ok: true,
    kind,
    realm,
    kid: text.substring(kidStart, secretStart - 1),
    secret: text.substring(secretStart, checksumStart),
  };
}

/** Any credential of any realm. Costs nothing on a text of the wrong length. */
export function parseKey(text: string): ParsedKey | KeyFault {
  const realmLength = text.length - FIXED_LENGTH;
  if (realmLength < 2 || realmLength > 10) return SHAPE;
  if (text.charCodeAt(0) !== 0x66 || text.charCodeAt(1) !== 0x67 || text.charCodeAt(3) !== UNDERSCORE) return SHAPE;
  const kind = text.charAt(2);
  if (kind !== 'k' && kind !== 'c' && kind !== 'a' && kind !== 'n' && kind !== 's') return KIND;
  const realmEnd = 4 + realmLength;
  if (text.charCodeAt(realmEnd) !== UNDERSCORE) return SHAPE;
  for (let i = 4; i < realmEnd; i += 1) {
    const code = text.charCodeAt(i);
    if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x7a))) return SHAPE;
  }
  return body(text, kind, text.substring(4, realmEnd), realmEnd);
}

/**
 * The way for every request: only a key of this kind and realm. A refusal allocates nothing; an acceptance one record
 * and two short strings.
 */
export function matchKey(text: string, kind: KeyKind, realm: string): ParsedKey | KeyFault {
  const realmLength = realm.length;
  if (text.length !== FIXED_LENGTH + realmLength) {
    const other = text.length - FIXED_LENGTH;
    return other >= 2 && other <= 10 && parseKey(text).ok ? REALM : SHAPE;
  }
  if (text.charCodeAt(0) !== 0x66 || text.charCodeAt(1) !== 0x67 || text.charCodeAt(3) !== UNDERSCORE) return SHAPE;
  if (text.charCodeAt(2) !== kind.charCodeAt(0)) return KIND;
  const realmEnd = 4 + realmLength;
  if (text.charCodeAt(realmEnd) !== UNDERSCORE) return SHAPE;
  for (let i = 0; i < realmLength; i += 1) if (text.charCodeAt(4 + i) !== realm.charCodeAt(i)) return REALM;
  return body(text, kind, realm, realmEnd);
}

/** `kid` 12 and `secret` 43 base62 characters, as `encodeKid` and `encodeSecret` make them. Throws on anything else: a fault of the caller. */
export function formatKey(kind: KeyKind, realm: string, kid: string, secret: string): string {
  if (!REALM_PATTERN.test(realm)) throw new RangeError('realm must be 2 to 10 of a-z and 0-9');
  if (!/^[0-9A-Za-z]{12}$/.test(kid)) throw new RangeError('kid must be 12 base62 characters');
  if (!/^[0-9A-Za-z]{43}$/.test(secret)) throw new RangeError('secret must be 43 base62 characters');
  const covered = `fg${kind}_${realm}_${kid}_${secret}`;
  return covered + encodeChecksum(crc32(covered));
}

/** 32 random bytes → 43 characters. */
export function encodeSecret(bytes: Uint8Array): string {
  if (bytes.length !== 32) throw new RangeError('a secret is made of 32 bytes');
  return encodeBase62(bytes, SECRET_LENGTH);
}

/** 16 random bytes → 12 characters (71 bits). */
export function encodeKid(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new RangeError('a kid is made of 16 bytes');
  return encodeBase62(bytes, KID_LENGTH);
}

/** What people may see: `fgk_live_7Kq2mXcT9aLb_…x7Qk`. */
export function maskKey(kind: KeyKind, realm: string, kid: string, lastFour: string): string {
  return `fg${kind}_${realm}_${kid}_…${lastFour}`;
}

/** Every credential inside `text` cut down to its public part; for logs and error messages that quote foreign text. */
export function redactKeys(text: string): string {
  return text.replace(new RegExp(KEY_PATTERN, 'g'), (found) => `${found.substring(0, found.indexOf('_', 4) + 1 + KID_LENGTH)}_…`);
}

/** The latin1 message of the HMAC: binds context and kid, so that rows cannot be swapped between keys. */
export function keyMessage(kid: string, secret: string): string {
  return `fluxgate/api-key/1\0${kid}\0${secret}`;
}

/**
 * The latin1 message of the HMAC under the pepper that yields a signing secret. `digest`: the 16 bytes that nodes hold of the key
 * version, so a rotated key signs with another secret. Nobody stores the secret: whoever has pepper and digest can make it again.
 */
export function signingMessage(kid: string, digest: Uint8Array): string {
  return `fluxgate/signing/1\0${kid}\0${String.fromCharCode(...digest)}`;
}

/** 32 bytes → `fgs_<realm>_<kid>_<43><6>`. The key of `hmac-sha256` is this text, its ASCII octets: what is in the file is what signs. */
export function formatSigningSecret(realm: string, kid: string, bytes: Uint8Array): string {
  return formatKey('s', realm, kid, encodeSecret(bytes));
}
