import { type Algorithm, agrees, type KeySet, type PublicJwk, readKeySet } from '@fluxgate/policy';
import type { ClientRow } from './client-row.ts';
import { invalidClient, type OAuthError, oauthError } from './oauth-error.ts';

/** Fetches a document of a client; the answer, or why there is none. */
export type FetchDocument = (url: string) => Promise<{ readonly document: unknown } | { readonly why: string }>;

const FRESH_MS = 300_000;
/** Between two attempts for one URL, whoever asks and whatever came of the first. */
const COOL_DOWN_MS = 30_000;
/** A set that cannot be fetched anew is used for this long; afterwards nobody can tell, and the client hears 503. */
const STALE_MAX_MS = 3_600_000;
const URLS_MAX = 1_000;

interface Entry {
  set: KeySet | null;
  fetchedAtMs: number;
  attemptAtMs: number;
  why: string;
  running: Promise<void> | null;
}

export interface ClientKeys {
  /** Keys of the client that may have made a signature with this key id and algorithm. */
  candidates(
    client: ClientRow,
    kid: string | null,
    algorithm: Algorithm,
    nowMs: number,
  ): Promise<readonly PublicJwk[] | OAuthError>;
}

/** Registered keys as they are; published ones (`jwks_uri`) fetched, kept for minutes, and asked for once more when a key id is unknown. */
export function createClientKeys(fetchDocument: FetchDocument): ClientKeys {
  const entries = new Map<string, Entry>();

  const refresh = (url: string, entry: Entry, nowMs: number): Promise<void> => {
    entry.running ??= (async () => {
      entry.attemptAtMs = nowMs;
      const fetched = await fetchDocument(url);
      const set = 'document' in fetched ? readKeySet(fetched.document) : null;
      if (set === null) entry.why = 'document' in fetched ? 'no usable key in it' : fetched.why;
      else Object.assign(entry, { set, fetchedAtMs: nowMs });
    })().finally(() => {
      entry.running = null;
    });
    return entry.running;
  };

  const published = async (
    url: string,
    kid: string | null,
    algorithm: Algorithm,
    nowMs: number,
  ): Promise<readonly PublicJwk[] | OAuthError> => {
    const entry = entries.get(url) ?? {
      set: null,
      fetchedAtMs: 0,
      attemptAtMs: Number.NEGATIVE_INFINITY,
      why: '',
      running: null,
    };
    entries.delete(url);
    entries.set(url, entry);
    const oldest = entries.size > URLS_MAX ? entries.keys().next().value : undefined;
    if (oldest !== undefined) entries.delete(oldest);
    const mayAsk = (): boolean => entry.running !== null || nowMs - entry.attemptAtMs >= COOL_DOWN_MS;
    if ((entry.set === null || nowMs - entry.fetchedAtMs >= FRESH_MS) && mayAsk()) await refresh(url, entry, nowMs);
    let found = matching(entry.set, kid, algorithm);
    if (found.length === 0 && mayAsk()) {
      await refresh(url, entry, nowMs);
      found = matching(entry.set, kid, algorithm);
    }
    if (entry.set === null || nowMs - entry.fetchedAtMs >= STALE_MAX_MS)
      return oauthError('temporarily_unavailable', 'the keys of the client cannot be fetched', {
        because: `${url}: ${entry.why}`,
      });
    return found;
  };

  return {
    async candidates(client, kid, algorithm, nowMs) {
      if (client.jwksUri !== null) return published(client.jwksUri, kid, algorithm, nowMs);
      const set = readKeySet(client.jwks);
      return set === null ? invalidClient('the client has no usable key') : matching(set, kid, algorithm);
    },
  };
}

function matching(set: KeySet | null, kid: string | null, algorithm: Algorithm): readonly PublicJwk[] {
  return (set?.keys ?? []).filter((key) => agrees(key, algorithm) && (kid === null || key.kid === kid));
}
