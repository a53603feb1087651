import type { RefusalCode } from '../refusals.ts';

/**
 * One spelling per resource, or a refusal: router, policy and upstream all see the string returned here. Read once;
 * nothing is decoded twice. RFC 3986 §6.2.2 (case, percent-encoding, dot segments), stricter where readers differ.
 */

export type CanonicalTarget =
  | { readonly ok: true; readonly path: string /** Without `?`; empty if there is none. */; readonly query: string }
  | { readonly ok: false; readonly code: RefusalCode; readonly why: string };

/** Kinds of path characters. */
const PLAIN = 0; // pchar that stays as it is
const SLASH = 1;
const DOT = 2;
const PERCENT = 3;
const QUESTION = 4;
const ENCODE = 5; // visible ASCII outside the grammar: written as %XX, as every strict upstream expects
const FORBIDDEN = 6;

const KIND: Uint8Array = (() => {
  const table = new Uint8Array(128).fill(FORBIDDEN);
  for (let code = 0x21; code < 0x7f; code += 1) table[code] = ENCODE;
  for (const plain of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,=:@")
    table[plain.charCodeAt(0)] = PLAIN;
  table[0x2f] = SLASH;
  table[0x2e] = DOT;
  table[0x25] = PERCENT;
  table[0x3f] = QUESTION;
  for (const never of '\\;#') table[never.charCodeAt(0)] = FORBIDDEN;
  return table;
})();

const UNRESERVED: Uint8Array = (() => {
  const table = new Uint8Array(256);
  for (const one of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~') table[one.charCodeAt(0)] = 1;
  return table;
})();

/** Sub-delimiters, colon and at-sign: two spellings, one meaning inside a path segment. */
const FOLDED: Uint8Array = (() => {
  const table = new Uint8Array(256);
  for (const one of "!$&'()*+,=:@") table[one.charCodeAt(0)] = 1;
  return table;
})();

/** Bytes that would become structure if anyone behind us decoded once more: NUL # / ; \ */
const STRUCTURE: readonly number[] = [0x00, 0x23, 0x2f, 0x3b, 0x5c];

function hexValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  return -1;
}

/** The byte of the escape at `at` (index of `%`), or -1. */
function escapeAt(text: string, at: number): number {
  const high = hexValue(text.charCodeAt(at + 1));
  const low = hexValue(text.charCodeAt(at + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

const HEX = '0123456789ABCDEF';
const escaped = (byte: number): string => `%${HEX.charAt(byte >> 4)}${HEX.charAt(byte & 15)}`;

const refusal = (why: string): CanonicalTarget => ({ ok: false, code: 'bad_target', why });

function named(code: number): string {
  if (code === 0x5c) return 'a backslash';
  if (code === 0x3b) return 'a semicolon (path parameters are read differently by different servers)';
  if (code === 0x23) return 'a fragment';
  if (code > 0x7f) return 'a character outside ASCII';
  return 'a control character or blank';
}

/** Origin-form only: `*` and absolute-form are taken apart by the wire engine. */
export function canonicalTarget(rawTarget: string): CanonicalTarget {
  if (rawTarget.charCodeAt(0) !== 0x2f) return refusal('the target does not start with a slash');
  let simple = true;
  let end = rawTarget.length;
  let previous = 0;
  for (let i = 0; i < end; i += 1) {
    const code = rawTarget.charCodeAt(i);
    const kind = code < 128 ? (KIND[code] as number) : FORBIDDEN;
    if (kind !== PLAIN) {
      if (kind === SLASH) {
        if (previous === 0x2f) return refusal('the path holds an empty segment (//)');
      } else if (kind === DOT) {
        if (previous === 0x2f) simple = false; // perhaps a dot segment
      } else if (kind === QUESTION) {
        end = i;
        break;
      } else if (kind === FORBIDDEN) return refusal(`the path holds ${named(code)}`);
      else simple = false;
    }
    previous = code;
  }
  const query = end === rawTarget.length ? '' : rawTarget.substring(end + 1);
  const fault = query === '' ? null : queryFault(query);
  if (fault !== null) return refusal(fault);
  const path = end === rawTarget.length ? rawTarget : rawTarget.substring(0, end);
  if (simple) return { ok: true, path, query };
  const decoded = decodeOnce(path);
  if (!decoded.ok) return decoded;
  return { ok: true, path: removeDotSegments(decoded.path), query };
}

/** The query is data: it is forwarded as it came. Only what could end the line or the target is refused. */
function queryFault(query: string): string | null {
  for (let i = 0; i < query.length; i += 1) {
    const code = query.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return `the query holds ${named(code)}`;
  }
  return null;
}

function decodeOnce(path: string): CanonicalTarget {
  let out = '';
  let copied = 0;
  for (let i = 0; i < path.length; i += 1) {
    const code = path.charCodeAt(i);
    const kind = KIND[code] as number;
    if (kind === ENCODE) {
      out += path.substring(copied, i) + escaped(code);
      copied = i + 1;
    } else if (kind === PERCENT) {
      const byte = escapeAt(path, i);
      if (byte < 0) return refusal('the path holds a % that starts no escape');
      if (STRUCTURE.includes(byte)) return refusal(`the path holds an encoded delimiter (${escaped(byte)})`);
      if (byte === 0x25) {
        const inner = innerEscape(path, i + 3);
        if (inner >= 0 && (STRUCTURE.includes(inner) || inner === 0x25 || UNRESERVED[inner] === 1))
          return refusal('the path is encoded twice');
      }
      out += path.substring(copied, i) + (UNRESERVED[byte] === 1 ? String.fromCharCode(byte) : escaped(byte));
      copied = i + 3;
      i += 2;
    }
  }
  return { ok: true, path: out + path.substring(copied), query: '' };
}

/** The byte that two further hex digits would make behind an encoded percent sign; the digits may be encoded themselves. */
function innerEscape(path: string, from: number): number {
  let at = from;
  let value = 0;
  for (let digit = 0; digit < 2; digit += 1) {
    let code = path.charCodeAt(at);
    at += 1;
    if (code === 0x25) {
      code = escapeAt(path, at - 1);
      at += 2;
    }
    const hex = hexValue(code);
    if (hex < 0) return -1;
    value = value * 16 + hex;
  }
  return value;
}

/** RFC 3986 §5.2.4 on a path that starts with a slash and has no empty segment but the last. Above the root is the root. */
function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i += 1) {
    const segment = segments[i] as string;
    const isLast = i === segments.length - 1;
    if (segment === '.' || segment === '..') {
      if (segment === '..') kept.pop();
      if (isLast) kept.push('');
    } else kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

/**
 * What is compared when routes are chosen: as the canonical path, but `%40` and `@` (and `:` `!` `$` `&` `'` `(` `)` `*` `+` `,` `=`)
 * are one, because an upstream may treat them as one. Returns its argument if nothing has to be folded.
 */
export function routingPath(canonicalPath: string): string {
  if (canonicalPath.indexOf('%') < 0) return canonicalPath;
  return canonicalPath.replace(/%([0-9A-F]{2})/g, (all, hex: string) => {
    const byte = Number.parseInt(hex, 16);
    return FOLDED[byte] === 1 ? String.fromCharCode(byte) : all;
  });
}

/** A configured prefix: a canonical path without query and without a slash at its end (`/` stays). */
export function canonicalPrefix(text: string): CanonicalTarget {
  if (text.includes('?')) return refusal('a route is a path prefix; it holds no query');
  if (/[*{}<>|^`"[\]]/.test(text))
    return refusal('a route is a plain path prefix; patterns such as * or {id} are not part of it');
  const target = canonicalTarget(text);
  if (!target.ok) return target;
  const path = target.path.length > 1 && target.path.endsWith('/') ? target.path.slice(0, -1) : target.path;
  return { ok: true, path, query: '' };
}
