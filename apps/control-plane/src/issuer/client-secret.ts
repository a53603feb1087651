import { timingSafeEqual } from 'node:crypto';
import { encodeKid, encodeSecret, formatKey, matchKey } from '@fluxgate/policy';
import type { TokenDigest } from '../auth/token-digest.ts';
import type { Door } from '../door.ts';
import { isLiveSecret, type SecretRow } from './client-row.ts';

/** Compared with when there is nothing to compare with, so that every refusal costs the same. */
const nobody = Buffer.alloc(32);
const NO_SECRET = { kid: '0'.repeat(12), secret: '0'.repeat(43) };

/** Bound to the client: a row moved to another one proves nothing. */
const digestOf = (digest: TokenDigest, realm: string, clientId: string, kid: string, secret: string): Buffer =>
  digest('c', realm, `${clientId}/${kid}`, secret);

/** `fgc_<realm>_<kid>_…`: the row that is stored, and the text that is given once. */
export function mintClientSecret(
  door: Door,
  digest: TokenDigest,
  realm: string,
  clientId: string,
): { readonly row: { kid: string; digest: Uint8Array<ArrayBuffer>; lastFour: string }; readonly text: string } {
  const kid = encodeKid(door.randomBytes(16));
  const secret = encodeSecret(door.randomBytes(32));
  const text = formatKey('c', realm, kid, secret);
  return {
    row: { kid, digest: Uint8Array.from(digestOf(digest, realm, clientId, kid, secret)), lastFour: text.slice(-4) },
    text,
  };
}

/** The row that the text proves possession of, or why not (for the log). One MAC and one comparison whatever comes. */
export function proveSecret(
  text: string,
  client: { readonly realm: string; readonly clientId: string; readonly secrets: readonly SecretRow[] } | null,
  realm: string,
  digest: TokenDigest,
  nowMs: number,
): SecretRow | string {
  const key = matchKey(text, 'c', realm);
  const { kid, secret } = key.ok ? key : NO_SECRET;
  const row = client?.secrets.find((one) => one.kid === kid) ?? null;
  const stored = row !== null && row.digest.length === 32 ? Buffer.from(row.digest) : nobody;
  const proven = timingSafeEqual(stored, digestOf(digest, realm, client?.clientId ?? '', kid, secret));
  if (!key.ok) return `the secret is not a FluxGate client secret of this realm (${key.fault})`;
  if (client === null) return 'there is no such client';
  if (row === null || !proven) return 'the secret is not one of this client';
  return isLiveSecret(row, nowMs) ? row : `the secret ${kid} has ended`;
}
