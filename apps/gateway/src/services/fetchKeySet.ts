import { isObject, type KeySet as KeyDocument, readKeySet, type TokenProvider } from '@fluxgate/policy';
import type { Reach } from './addressRules.ts';
import { type Fetched, fetchJson, type Resolve } from './fetchJson.ts';

/** What the issuer's metadata said; kept between fetches, so that unknown key ids never ask for it again. */
export interface Discovered {
  readonly jwksUri: string;
  readonly reach: Reach;
  /** Monotonic milliseconds. */
  readonly atMs: number;
}

export type KeySetFetched =
  | { readonly ok: true; readonly set: KeyDocument; readonly discovered: Discovered | null }
  | { readonly ok: false; readonly why: string; readonly discovered: Discovered | null };

/** Metadata older than this is asked for again when a set is refreshed in the background. */
const DISCOVERY_MS = 3_600_000;

/** The key set of `provider`: from its URL, or from where the issuer's metadata says. `known`: what the metadata said before, if it may still count. */
export async function fetchKeySet(
  provider: TokenProvider,
  known: Discovered | null,
  resolve: Resolve,
  nowMs: number,
): Promise<KeySetFetched> {
  if (provider.jwksUri !== null) return toKeySet(await fetchJson(provider.jwksUri, null, resolve), null);
  const discovered = known ?? (await discover(provider.issuer, resolve, nowMs));
  if (typeof discovered === 'string') return { ok: false, why: discovered, discovered: null };
  return toKeySet(await fetchJson(discovered.jwksUri, discovered.reach, resolve), discovered);
}

export function mayKeep(discovered: Discovered | null, failures: number, nowMs: number): boolean {
  return discovered !== null && failures === 0 && nowMs - discovered.atMs < DISCOVERY_MS;
}

function toKeySet(fetched: Fetched, discovered: Discovered | null): KeySetFetched {
  if (!fetched.ok) return { ok: false, why: fetched.why, discovered };
  const set = readKeySet(fetched.document);
  return set === null ? { ok: false, why: 'no usable key in it', discovered } : { ok: true, set, discovered };
}

/** OpenID Connect Discovery 1.0 §4, then RFC 8414 §3. What was asked for one issuer and answers as another is believed by neither. */
async function discover(issuer: string, resolve: Resolve, nowMs: number): Promise<Discovered | string> {
  let why = 'the issuer is no URL';
  for (const url of metadataUrls(issuer)) {
    const fetched = await fetchJson(url, null, resolve);
    if (!fetched.ok) {
      why = `metadata: ${fetched.why}`;
      if (fetched.status !== null && fetched.status >= 400 && fetched.status < 500) continue;
      return why;
    }
    const { document, reach } = fetched;
    if (!isObject(document) || document['issuer'] !== issuer) return 'metadata: it is of another issuer';
    const jwksUri = document['jwks_uri'];
    return typeof jwksUri === 'string' ? { jwksUri, reach, atMs: nowMs } : 'metadata: no jwks_uri';
  }
  return why;
}

export function metadataUrls(issuer: string): string[] {
  if (!URL.canParse(issuer)) return [];
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/+$/, '');
  return [`${origin}${path}/.well-known/openid-configuration`, `${origin}/.well-known/oauth-authorization-server${path}`];
}
