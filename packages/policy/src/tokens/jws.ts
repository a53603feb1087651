import { decodeBase64url, decodeUtf8 } from './base64url.ts';
import { type JsonObject, parseObject } from './members.ts';

/** A bearer token longer than this is refused unread: 16 KiB. */
export const TOKEN_CHARS_MAX = 16_384;
const KID_CHARS_MAX = 512;

export interface CompactJws {
  readonly ok: true;
  readonly alg: string;
  readonly kid: string | null;
  /** Lower case, without `application/`; null: absent. */
  readonly typ: string | null;
  readonly claims: JsonObject;
  /** The signature covers the first `signedChars` characters of the token (RFC 7515 §5.2). */
  readonly signedChars: number;
  readonly signature: Uint8Array;
}

/** Canonical base64url (`decodeBase64url`), and strict UTF-8 under it. A runtime may bring faster ones that answer the same. */
export interface JwsDecoder {
  bytes(text: string, from: number, to: number): Uint8Array | null;
  text(text: string, from: number, to: number): string | null;
}

const PURE: JwsDecoder = {
  bytes: decodeBase64url,
  text: (text, from, to) => {
    const bytes = decodeBase64url(text, from, to);
    return bytes === null ? null : decodeUtf8(bytes);
  },
};

/** Why a text is no token that could ever pass. For the log. */
export interface JwsFault {
  readonly ok: false;
  readonly why: string;
}

const fault = (why: string): JwsFault => ({ ok: false, why });

/**
 * Reads a signed JWT in compact serialisation (RFC 7515 §7.1, RFC 7519 §7.2) without believing any of it: no key, no time, no policy.
 * Stricter than the RFCs where two readers could differ: canonical base64url only, no member named twice, no byte order mark, and none
 * of the header members by which a token brings its own key.
 */
export function readCompactJws(token: string, decoder: JwsDecoder = PURE): CompactJws | JwsFault {
  if (token.length > TOKEN_CHARS_MAX) return fault(`longer than ${TOKEN_CHARS_MAX} characters`);
  const first = token.indexOf('.');
  const second = first < 0 ? -1 : token.indexOf('.', first + 1);
  if (second < 0 || token.indexOf('.', second + 1) >= 0) return fault('not three parts');
  if (first === 0 || second === first + 1 || second === token.length - 1) return fault('an empty part');

  const read = headerOf(token.slice(0, first), decoder);
  if (typeof read === 'string') return fault(read);

  const payload = decoder.text(token, first + 1, second);
  if (payload === null) return fault('the payload is not canonical base64url of UTF-8');
  const claims = parseObject(payload);
  if (claims === null) return fault('the payload is no JSON object, or names a member twice');

  const signature = decoder.bytes(token, second + 1, token.length);
  if (signature === null) return fault('the signature is not canonical base64url');
  return { ok: true, ...read, claims, signedChars: second, signature };
}

type Header = Pick<CompactJws, 'alg' | 'kid' | 'typ'>;

/** All tokens of one key have the same header: the last few that were read, spelling by spelling. */
const HEADERS = new Map<string, Header | string>();
const HEADERS_MAX = 64;
const HEADER_CHARS_MAX = 400;

/** What the header says, or why it cannot be taken. */
function headerOf(part: string, decoder: JwsDecoder): Header | string {
  const known = HEADERS.get(part);
  if (known !== undefined) return known;
  const text = decoder.text(part, 0, part.length);
  const header = text === null ? null : parseObject(text);
  const read =
    text === null
      ? 'the header is not canonical base64url of UTF-8'
      : header === null
        ? 'the header is no JSON object, or names a member twice'
        : readHeader(header);
  if (part.length <= HEADER_CHARS_MAX) {
    if (HEADERS.size >= HEADERS_MAX) HEADERS.clear();
    HEADERS.set(part, read);
  }
  return read;
}

/** Members that name or carry a key. A key that comes with the token proves nothing (CVE-2018-0114); a URL makes us fetch at a stranger's word. */
const OWN_KEY = ['jku', 'x5u', 'jwk'] as const;

function readHeader(header: JsonObject): Header | string {
  const alg = own(header, 'alg');
  if (typeof alg !== 'string') return 'alg is no text';
  const kid = own(header, 'kid');
  if (kid !== undefined && typeof kid !== 'string') return 'kid is no text';
  if (kid !== undefined && kid.length > KID_CHARS_MAX) return `kid is longer than ${KID_CHARS_MAX} characters`;
  const typ = own(header, 'typ');
  if (typ !== undefined && typeof typ !== 'string') return 'typ is no text';
  for (const name of OWN_KEY) if (Object.hasOwn(header, name)) return `the header brings a key of its own (${name})`;
  // RFC 7797: a JWT is always base64url-encoded.
  if (Object.hasOwn(header, 'b64') && header['b64'] !== true) return 'b64 is not true';
  if (Object.hasOwn(header, 'crit')) {
    const problem = critProblem(header, header['crit']);
    if (problem !== null) return problem;
  }
  return { alg, kid: kid ?? null, typ: typ === undefined ? null : mediaType(typ) };
}

/** RFC 7515 §4.1.11. The one extension that is understood is `b64: true`, which changes nothing. */
function critProblem(header: JsonObject, crit: unknown): string | null {
  if (!Array.isArray(crit) || crit.length === 0) return 'crit is no list of names';
  for (const name of crit) {
    if (name !== 'b64') return 'crit names an extension that is not understood';
    if (!Object.hasOwn(header, name)) return 'crit names a member that is not there';
  }
  return null;
}

const own = (object: JsonObject, name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined);

/** RFC 7515 §4.1.9: `application/` may be left out; media types know no case. */
export function mediaType(typ: string): string {
  const lower = typ.toLowerCase();
  return lower.startsWith('application/') && !lower.includes('/', 12) ? lower.slice(12) : lower;
}
