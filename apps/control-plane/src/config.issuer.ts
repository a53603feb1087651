import { parseDuration } from '@fluxgate/policy';
import type { SigningAlgorithm } from '@fluxgate/stores/signing';

/** What of the configuration concerns the token issuer. */
export interface IssuerConfig {
  /** FLUXGATE_ISSUER; null: the address of the admin API. */
  readonly url: string | null;
  readonly algorithm: SigningAlgorithm;
  /** null: keys are rotated by hand only. */
  readonly rotateEveryMs: number | null;
  readonly jwksCacheMs: number;
}

type Read = { readonly value: string } | { readonly why: string; readonly remedy: string };

const ALGORITHMS: readonly SigningAlgorithm[] = ['ES256', 'ES384', 'RS256'];
const DAY_MS = 86_400_000;

/** RFC 8414 §2: https, no query, no fragment. Compared as text by everybody, so there is one spelling. */
export function issuerUrl(text: string, isLoopback: (host: string) => boolean): Read {
  const wrong = (why: string): Read => ({ why, remedy: 'write it as verifiers will name it, e.g. https://gateway.example.com' });
  if (!URL.canParse(text)) return wrong(`"${text.slice(0, 200)}" is not an absolute URL`);
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname)))
    return wrong('it is not https, and not loopback');
  if (url.username !== '' || url.password !== '') return wrong('it holds user information');
  if (text.includes('?') || text.includes('#')) return wrong('it holds a query or a fragment');
  if (text.endsWith('/')) return wrong('it ends in a slash');
  const path = url.pathname === '/' ? '' : url.pathname;
  if (!/^(\/[A-Za-z0-9._~-]+)*$/.test(path) || `${url.origin}${path}` !== text)
    return wrong('it is not in its normal form (lower case, no default port, no dots or escapes in the path)');
  return { value: text };
}

export function signingAlgorithm(text: string): Read {
  return (ALGORITHMS as readonly string[]).includes(text)
    ? { value: text }
    : { why: `"${text}" is no algorithm of the issuer`, remedy: `one of ${ALGORITHMS.join(', ')}` };
}

function duration(text: string, minMs: number, maxMs: number, remedy: string): Read {
  const read = parseDuration(text);
  if (!read.ok) return { why: read.why, remedy: read.remedy };
  return read.value >= minMs && read.value <= maxMs ? { value: text } : { why: `${text} is out of range`, remedy };
}

export const rotateEvery = (text: string): Read =>
  text === 'never' ? { value: text } : duration(text, 10_000, 366 * DAY_MS, 'write 30d, or never to rotate by hand only');

export const jwksCache = (text: string): Read => duration(text, 1_000, DAY_MS, 'write 300s, or up to 1d');

const msOf = (text: string): number => {
  const read = parseDuration(text);
  if (!read.ok) throw new TypeError(read.why);
  return read.value;
};

/** From texts that were read well. */
export function issuerConfig(get: (name: 'URL' | 'ALGORITHM' | 'ROTATE_EVERY' | 'JWKS_CACHE') => string | null): IssuerConfig {
  const every = get('ROTATE_EVERY') ?? '30d';
  return {
    url: get('URL'),
    algorithm: (get('ALGORITHM') ?? 'ES256') as SigningAlgorithm,
    rotateEveryMs: every === 'never' ? null : msOf(every),
    jwksCacheMs: msOf(get('JWKS_CACHE') ?? '300s'),
  };
}
