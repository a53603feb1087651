import { TOKEN_CHARS_MAX } from './jws.ts';

/** What a request's Authorization field says about a bearer token (RFC 6750 §2.1, RFC 9110 §11.4). */
export type Bearer =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  /** A bearer token was meant, but no reader could be sure which. */
  | { readonly kind: 'malformed' };

const NONE: Bearer = Object.freeze({ kind: 'none' });
const MALFORMED: Bearer = Object.freeze({ kind: 'malformed' });
/** `field`: the value of the only Authorization field; undefined: there is none. Other schemes are somebody else's business. */
export function readBearer(field: string | undefined): Bearer {
  if (field === undefined || field.length < 6 || field.slice(0, 6).toLowerCase() !== 'bearer') return NONE;
  if (field.length === 6) return MALFORMED;
  if (field.charCodeAt(6) !== 0x20) return NONE; // another scheme whose name begins so
  let from = 7;
  while (field.charCodeAt(from) === 0x20) from += 1;
  const token = field.slice(from);
  // Whether it is a token its reader says; several of them, or parameters behind one, are none for any reader.
  const several = token.includes(' ') || token.includes(',') || token.includes(';') || token.includes('\t');
  return token === '' || several || token.length > TOKEN_CHARS_MAX ? MALFORMED : { kind: 'token', token };
}
