/**
 * The key in the query string: found by its decoded name, cut out of the target that goes upstream.
 * A pair whose name cannot be decoded is somebody else's business and stays as it is.
 */
export interface QueryKey {
  /** How many pairs bear the name. */
  readonly count: number;
  /** Percent-decoded value of the first; null if its escapes are broken. */
  readonly value: string | null;
  /** The query without any pair of the name. */
  readonly rest: string;
}

const NONE: QueryKey = { count: 0, value: null, rest: '' };

/** `query` without `?`. Returns a shared value with count 0 (and no `rest`) when the name does not occur. */
export function takeFromQuery(query: string, name: string): QueryKey {
  // An escaped name (`api%5Fkey`) is the same name to many upstreams, so any `%` sends us the long way.
  if (query === '' || (!query.includes(name) && !query.includes('%'))) return NONE;
  let count = 0;
  let value: string | null = null;
  const kept: string[] = [];
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    const rawName = equals < 0 ? pair : pair.slice(0, equals);
    if (rawName !== name && decodeStrictly(rawName) !== name) {
      kept.push(pair);
      continue;
    }
    if (count === 0) value = decodeStrictly(equals < 0 ? '' : pair.slice(equals + 1));
    count++;
  }
  return count === 0 ? NONE : { count, value, rest: kept.join('&') };
}

/** Removes every pair of these names; the same string when there is none. */
export function withoutKeys(query: string, names: readonly string[]): string {
  let rest = query;
  for (const name of names) {
    const found = takeFromQuery(rest, name);
    if (found.count > 0) rest = found.rest;
  }
  return rest;
}

function decodeStrictly(text: string): string | null {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // a broken escape or bytes that are no UTF-8
  }
}
