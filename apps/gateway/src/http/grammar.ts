/** Byte classes and tokens of RFC 9110 §5.6 and RFC 9112. Everything that reads hostile bytes reads them through these tables. */

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;

const TOKEN_CHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/**
 * A token byte → its lower-case byte, with everything that is no letter or digit folded to `-`; 0 = not allowed in a name. Back ends of
 * the CGI family make one name of such spellings (`_` everywhere, `.` in PHP, any mark in lighttpd), so a name is recognised by this one.
 */
export const NAME_BYTE = new Uint8Array(256);
/** 1 = field-vchar, SP or HTAB (RFC 9110 §5.5); CR, LF, NUL and the other controls are 0. */
export const VALUE_BYTE = new Uint8Array(256);
/** 1 = visible ASCII: what a request target may consist of. */
export const TARGET_BYTE = new Uint8Array(256);
/** Value of a hexadecimal digit + 1; 0 = none. */
export const HEX_BYTE = new Uint8Array(256);
/** 1 = a byte of `uri-host` outside brackets (RFC 3986 reg-name: unreserved, sub-delims; `%` is checked apart). */
const HOST_BYTE = new Uint8Array(256);

for (const char of TOKEN_CHARS) NAME_BYTE[char.charCodeAt(0)] = /[0-9a-z]/i.test(char) ? char.toLowerCase().charCodeAt(0) : 45;
for (let b = 0; b < 256; b++) {
  VALUE_BYTE[b] = b === HTAB || (b >= SP && b !== 127) ? 1 : 0;
  TARGET_BYTE[b] = b > SP && b < 127 ? 1 : 0;
}
for (const [index, char] of [...'0123456789abcdef'].entries()) {
  HEX_BYTE[char.charCodeAt(0)] = index + 1;
  HEX_BYTE[char.toUpperCase().charCodeAt(0)] = index + 1;
}
for (const char of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=")
  HOST_BYTE[char.charCodeAt(0)] = 1;

export const HASH_SEED = 0x811c9dc5 | 0;
const HASH_PRIME = 0x01000193;

/** One step of FNV-1a over normalised name bytes; a hit is always confirmed byte by byte. */
export const hashStep = (hash: number, byte: number): number => Math.imul(hash ^ byte, HASH_PRIME);

const hashes = new Map<string, number>();

/** Hash of a field name given as text; names come from code and configuration, so the memory of them is bounded by those. */
export function hashName(name: string): number {
  let hash = hashes.get(name);
  if (hash === undefined) {
    hash = HASH_SEED;
    for (let i = 0; i < name.length; i++) hash = hashStep(hash, NAME_BYTE[name.charCodeAt(i) & 255]!);
    if (hashes.size < 4096) hashes.set(name, hash);
  }
  return hash;
}

/** A name as text in the spelling of `NAME_BYTE`. */
export const foldedName = (name: string): string => name.toLowerCase().replace(/[^0-9a-z]/g, '-');

export const isToken = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127 || NAME_BYTE[text.charCodeAt(i)] === 0) return false;
  return text.length > 0;
};

/** RFC 9110 §8.6: digits only, one value; -1 = not a length. 15 digits stay exact in a double. */
export function parseLength(text: string): number {
  if (text.length === 0 || text.length > 15) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Elements of a comma list, lower-cased, OWS trimmed; null if one is not a token. Empty elements are skipped (RFC 9110 §5.6.1.2). */
export function tokenList(text: string): string[] | null {
  const found: string[] = [];
  for (const part of text.split(',')) {
    const token = part.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase();
    if (token === '') continue;
    if (!isToken(token)) return null;
    found.push(token);
  }
  return found;
}

/** `uri-host [ ":" *DIGIT ]` (RFC 3986 §3.2.2). Answers the length of the host part, or -1. */
export function hostLength(text: string): number {
  let end = 0;
  if (text.charCodeAt(0) === 91) {
    const close = text.indexOf(']');
    if (close < 3 || !/^\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+)\]$/.test(text.slice(0, close + 1))) return -1;
    if (text.charCodeAt(1) !== 118 && text.charCodeAt(1) !== 86 && !text.slice(0, close).includes(':')) return -1;
    end = close + 1;
  } else {
    for (; end < text.length; end++) {
      const c = text.charCodeAt(end);
      if (HOST_BYTE[c] === 1 && c < 256) continue;
      if (c === 37 && HEX_BYTE[text.charCodeAt(end + 1)]! > 0 && HEX_BYTE[text.charCodeAt(end + 2)]! > 0) continue;
      break;
    }
    if (end === 0) return -1;
  }
  if (end === text.length) return end;
  if (text.charCodeAt(end) !== COLON) return -1;
  let port = 0;
  for (let i = end + 1; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    port = port * 10 + digit;
    if (port > 65_535) return -1;
  }
  return end;
}
